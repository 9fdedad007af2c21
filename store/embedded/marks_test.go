package embedded

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/store"
)

func TestConversationsOfAFileWithoutMarksAreCountedAnew(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "old.db")
	older(t, path, 5)
	foreign(t, path, `INSERT INTO conversations (cid, id, owner, num, key, user, grp, name, model, created, updated, count, last, tail)
		VALUES (1, 'conv_whole', 'o', 1, '', '', '', '', 'm', 1, 1, 2, 'answer', 2), (2, 'conv_cut', 'o', 2, '', '', '', '', 'm', 1, 1, 2, 'half', 2), (3, 'conv_half', 'o', 3, '', '', '', '', 'm', 1, 1, 1, 'half', 1),
			(4, 'conv_none', 'o', 4, '', '', '', '', 'm', 1, 1, 0, '', 0);
		UPDATE owners SET live = 4;
		INSERT INTO messages VALUES (1, 0, 'user', '', '[{"k":"text","t":"q"}]', 1, 0), (1, 1, 'assistant', '', '[{"k":"text","t":"answer"}]', 1, 0),
			(2, 0, 'user', '', '[{"k":"text","t":"`+strings.Repeat("ü", 150)+`"},{"k":"image","url":"u"}]', 1, 0), (2, 1, 'assistant', '', '[{"k":"text","t":"half"}]', 1, 1),
			(3, 0, 'assistant', '', '[{"k":"text","t":"half"}]', 1, 1);`)
	st, err := Open("sqlite:" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	page, total, err := st.List(t.Context(), store.Filter{Owner: "o", Plain: true, ByNum: true})
	if err != nil || total != 3 || len(page) != 3 {
		t.Fatalf("%d of %d, %v", len(page), total, err)
	}
	for i, want := range []store.Summary{{ID: "conv_none"}, {ID: "conv_cut", Messages: 1, LastMessage: strings.Repeat("ü", 100)}, {ID: "conv_whole", Messages: 2, LastMessage: "answer"}} {
		if got := page[i]; got.ID != want.ID || got.Messages != want.Messages || got.LastMessage != want.LastMessage {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	c, err := st.Load(t.Context(), "o", store.Ref{ID: "conv_cut"}, store.Window{View: store.ViewSent})
	if err != nil || len(c.Messages) != 2 {
		t.Errorf("%+v, %v", c, err)
	}
}
