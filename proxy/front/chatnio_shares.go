package front

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/chatnio"
)

// The texts of the real server (docs/rules/chatnio.md 6).
const (
	textBadHash = "invalid hash"
	textNoShare = "sql: no rows in result set"
)

// The texts of our own.
const (
	textNoMessage  = "no such message"
	textManyShares = "too many shares: delete one first"
)

// sharer is the store as it keeps shares.
func (c *call) sharer() (store.Sharer, error) {
	if s, ok := c.s.g.Store().(store.Sharer); ok {
		return s, nil
	}
	return nil, errNoExtra
}

// sharedNumbers are the numbers of the conversations that caller has shared.
func (c *call) sharedNumbers(ctx context.Context, caller *proxy.Caller) (map[int64]bool, error) {
	sharer, err := c.sharer()
	if err != nil {
		return nil, nil
	}
	shares, err := sharer.Shares(ctx, caller.Name)
	if err != nil {
		return nil, err
	}
	numbers := make(map[int64]bool, len(shares))
	for i := range shares {
		numbers[shares[i].Num] = true
	}
	return numbers, nil
}

// chatnioShare answers POST /conversation/share with the hash of a copy of the
// messages that refs names; -1 names all. A caller keeps store.MaxShares of them.
func chatnioShare(ctx context.Context, c *call, caller *proxy.Caller) ([]byte, error) {
	n, refs, err := chatnio.DecodeShare(c.ctx.Request.Body())
	if err != nil {
		return nil, failure(textBadForm)
	}
	sharer, err := c.sharer()
	if err != nil {
		return nil, err
	}
	conv, err := c.byNumber(ctx, caller, n, 0)
	if err != nil {
		return nil, err
	}
	chosen, ok := choose(conv.Messages, refs)
	if !ok {
		return nil, failure(textNoMessage)
	}
	var secret [16]byte
	_, _ = rand.Read(secret[:])
	hash := hex.EncodeToString(secret[:])
	err = sharer.Share(ctx, &store.Share{
		Hash: hash, Owner: caller.Name, Num: conv.Num, Name: conv.Name,
		Model: conv.Model, At: time.Now().UnixMilli(), Messages: chosen,
	})
	if errors.Is(err, store.ErrFull) {
		return nil, failure(textManyShares)
	}
	return chatnio.AppendData(nil, []byte(`"`+hash+`"`)), err
}

// choose picks messages by their indexes, in the order of the conversation. ok is
// false when an index is not there, since a client that shares something else
// than it shows is worse off than one that shares nothing.
func choose(msgs []store.Message, refs []int) (chosen []store.Message, ok bool) {
	wanted := make(map[int]bool, min(len(refs), len(msgs)))
	for _, i := range refs {
		if i == -1 {
			return msgs, true
		}
		if i < 0 || i >= len(msgs) {
			return nil, false
		}
		wanted[i] = true
	}
	if len(wanted) == 0 {
		return msgs, true
	}
	for i := range msgs {
		if wanted[i] {
			chosen = append(chosen, msgs[i])
		}
	}
	return chosen, true
}

// hash is the query's, and the store as it keeps shares.
func (c *call) hash() (string, store.Sharer, error) {
	hash := string(c.ctx.QueryArgs().Peek("hash"))
	if hash == "" || translate.TooLong(hash, translate.MaxID) {
		return "", nil, failure(textBadHash)
	}
	sharer, err := c.sharer()
	return hash, sharer, err
}

// unshared says in the words of the real server that a share is not there.
func unshared(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return failure(textNoShare)
	}
	return err
}

// chatnioView answers GET /conversation/view, to anyone who knows the hash.
func chatnioView(ctx context.Context, c *call, _ *proxy.Caller) ([]byte, error) {
	hash, sharer, err := c.hash()
	if err != nil {
		return nil, err
	}
	share, err := sharer.Shared(ctx, hash)
	if err != nil {
		return nil, unshared(err)
	}
	return chatnio.AppendView(nil, &chatnio.View{
		User: share.Owner, Name: share.Name, Messages: bare(share.Messages), Model: share.Model, At: share.At,
	}), nil
}

func chatnioShares(ctx context.Context, c *call, caller *proxy.Caller) ([]byte, error) {
	sharer, err := c.sharer()
	if err != nil {
		return nil, err
	}
	shares, err := sharer.Shares(ctx, caller.Name)
	if err != nil {
		return nil, err
	}
	list := make([]chatnio.Share, 0, len(shares))
	for i := range shares {
		list = append(list, chatnio.Share{Name: shares[i].Name, ID: shares[i].Num, At: shares[i].At, Hash: shares[i].Hash})
	}
	return chatnio.AppendShares(nil, list), nil
}

func chatnioUnshare(ctx context.Context, c *call, caller *proxy.Caller) ([]byte, error) {
	hash, sharer, err := c.hash()
	if err != nil {
		return nil, err
	}
	return chatnio.AppendOK(nil), unshared(sharer.Unshare(ctx, caller.Name, hash))
}
