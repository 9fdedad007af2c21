package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/dragoman-gateway/dragoman/store"
)

// expires removes conversations by their age as the gateway does, from several owners.
func expires(t *testing.T, s Full) {
	ctx := t.Context()
	for _, owner := range []string{"c", "a", "b"} {
		for i := range 5 {
			create(t, s, store.Conversation{ID: fmt.Sprint("conv_", owner, i), Owner: owner, Key: fmt.Sprint("k", i), User: "u"}, int64(10*(i+1)))
		}
	}
	must(t, s.Delete(ctx, "b", ""))
	must(t, s.Share(ctx, &store.Share{Hash: "h", Owner: "a", Num: 1, Messages: exchange(0, 1).Messages}))
	must(t, s.SaveMask(ctx, "a", &store.Mask{Name: "m"}))
	const before = 31 // the third was updated at 31, by its answer

	page, err := s.Stale(ctx, before, "", 3)
	must(t, err)
	if len(page) != 3 || page[0].Owner != "a" || page[1].Owner != "a" || page[2].Owner != "c" {
		t.Fatalf("the first page is %+v", page)
	}
	all, err := s.Stale(ctx, before, "", 100)
	must(t, err)
	slices.SortFunc(all, func(x, y store.Owned) int { return slices.Compare([]string{x.Owner, x.ID}, []string{y.Owner, y.ID}) })
	same(t, "all that is old", []store.Owned{{Owner: "a", ID: "conv_a0"}, {Owner: "a", ID: "conv_a1"}, {Owner: "c", ID: "conv_c0"}, {Owner: "c", ID: "conv_c1"}}, all)
	page, err = s.Stale(ctx, before, "a", 100)
	must(t, err)
	if len(page) != 2 || page[0].Owner != "c" {
		t.Errorf("behind a: %+v", page)
	}

	var gone []string
	for {
		some, err := s.Expire(ctx, "a", []string{"conv_a0", "conv_a1", "conv_c0", "conv_none"}, before)
		must(t, err)
		if len(some) == 0 {
			break
		}
		gone = append(gone, some...)
	}
	slices.Sort(gone)
	same(t, "what was removed of a", []string{"conv_a0", "conv_a1"}, gone)
	_, err = s.Load(ctx, "a", store.Ref{Key: "k0"}, store.Window{})
	is(t, "a removed one", err, store.ErrNotFound)
	list, total, err := s.List(ctx, store.Filter{Owner: "a", ByNum: true})
	must(t, err)
	if total != 3 || len(list) != 3 || list[0].Num != 5 || list[2].ID != "conv_a2" || list[2].Messages != 2 {
		t.Errorf("%d of a are left: %+v", total, list)
	}
	if _, total, err = s.List(ctx, store.Filter{Owner: "c"}); err != nil || total != 5 {
		t.Errorf("another owner has %d, %v", total, err)
	}
	page, err = s.Stale(ctx, before, "", 100)
	must(t, err)
	if len(page) != 2 || page[0].Owner != "c" {
		t.Errorf("after it: %+v", page)
	}
	if _, err := s.Shared(ctx, "h"); err != nil {
		t.Errorf("the share: %v", err)
	}
	if masks, err := s.Masks(ctx, "a"); err != nil || len(masks) != 1 {
		t.Errorf("the masks: %v, %v", masks, err)
	}
	again := create(t, s, store.Conversation{ID: "conv_a0", Owner: "a", Key: "k0"}, 1)
	if again.Num != 6 {
		t.Errorf("number %d was given out again", again.Num)
	}
}

func expiresNothing(t *testing.T, s Full) {
	ctx := t.Context()
	c := create(t, s, store.Conversation{ID: "conv_1", Owner: "o"}, 10)
	page, err := s.Stale(ctx, 100, "", 10)
	must(t, err)
	if len(page) != 1 {
		t.Fatalf("found %+v", page)
	}
	must(t, s.Append(ctx, c, exchange(1, 100)))
	gone, err := s.Expire(ctx, "o", []string{"conv_1"}, 100)
	if err != nil || len(gone) != 0 {
		t.Errorf("removed %q, %v", gone, err)
	}
	if got := load(t, s, "o", "conv_1"); len(got.Messages) != 4 {
		t.Errorf("%d messages are left", len(got.Messages))
	}
	if page, err = s.Stale(ctx, 1<<60, "o", 10); err != nil || len(page) != 0 {
		t.Errorf("behind the last owner: %+v, %v", page, err)
	}
}
