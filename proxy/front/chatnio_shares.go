package front

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate/chatnio"
)

// The texts of the real server (chatnio.md 6).
const (
	textBadHash = "invalid hash"
	textNoShare = "sql: no rows in result set"
)

var errNoShares = errors.New("front: the conversation store keeps no shares")

// sharer is the store as it keeps shares, or one that fails.
func (c *call) sharer() (store.Sharer, error) {
	if s, ok := c.s.g.Store().(store.Sharer); ok {
		return s, nil
	}
	return nil, errNoShares
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
// messages that refs names; -1 names all.
func chatnioShare(c *call, caller *proxy.Caller) {
	n, refs, err := chatnio.DecodeShare(c.ctx.Request.Body())
	if err != nil {
		c.refuse(textBadForm)
		return
	}
	ctx, cancel := context.WithTimeout(c.s.life, storeWait)
	defer cancel()
	conv, err := c.byNumber(ctx, caller, n, 0)
	if err != nil {
		c.storeFailed(err, textNotFound)
		return
	}
	chosen, ok := choose(conv.Messages, refs)
	if !ok {
		c.refuse("no such message")
		return
	}
	var secret [16]byte
	_, _ = rand.Read(secret[:])
	share := &store.Share{
		Hash: hex.EncodeToString(secret[:]), Owner: caller.Name, Num: conv.Num, Name: conv.Name,
		Model: conv.Model, At: time.Now().UnixMilli(), Messages: chosen,
	}
	sharer, err := c.sharer()
	if err == nil {
		err = sharer.Share(ctx, share)
	}
	if err != nil {
		c.storeFailed(err, textNotFound)
		return
	}
	c.json(200, chatnio.AppendData(nil, []byte(`"`+share.Hash+`"`)))
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

// chatnioView answers GET /conversation/view, to anyone who knows the hash.
func chatnioView(c *call, _ *proxy.Caller) {
	hash := string(c.ctx.QueryArgs().Peek("hash"))
	if hash == "" {
		c.refuse(textBadHash)
		return
	}
	ctx, cancel := context.WithTimeout(c.s.life, storeWait)
	defer cancel()
	sharer, err := c.sharer()
	var share *store.Share
	if err == nil {
		share, err = sharer.Shared(ctx, hash)
	}
	if err != nil {
		c.storeFailed(err, textNoShare)
		return
	}
	c.json(200, chatnio.AppendView(nil, &chatnio.View{
		User: share.Owner, Name: share.Name, Messages: bare(share.Messages), Model: share.Model, At: share.At,
	}))
}

func chatnioShares(c *call, caller *proxy.Caller) {
	ctx, cancel := context.WithTimeout(c.s.life, storeWait)
	defer cancel()
	sharer, err := c.sharer()
	var shares []store.Share
	if err == nil {
		shares, err = sharer.Shares(ctx, caller.Name)
	}
	if err != nil {
		c.storeFailed(err, textNoShare)
		return
	}
	list := make([]chatnio.Share, 0, len(shares))
	for i := range shares {
		list = append(list, chatnio.Share{Name: shares[i].Name, ID: shares[i].Num, At: shares[i].At, Hash: shares[i].Hash})
	}
	c.json(200, chatnio.AppendShares(nil, list))
}

func chatnioUnshare(c *call, caller *proxy.Caller) {
	hash := string(c.ctx.QueryArgs().Peek("hash"))
	if hash == "" {
		c.refuse(textBadHash)
		return
	}
	ctx, cancel := context.WithTimeout(c.s.life, storeWait)
	defer cancel()
	sharer, err := c.sharer()
	if err == nil {
		err = sharer.Unshare(ctx, caller.Name, hash)
	}
	if err != nil {
		c.storeFailed(err, textNoShare)
		return
	}
	c.json(200, chatnio.AppendOK(nil))
}
