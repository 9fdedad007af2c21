package front

import (
	"context"
	"errors"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate/chatnio"
)

// masking refuses callers that are not signed in as the mask calls do (chatnio.md
// 3.1), and those of a store that keeps no masks.
func masking(handle func(c *call, caller *proxy.Caller, keeper store.Masker)) func(*call) {
	return public(func(c *call, caller *proxy.Caller) {
		keeper, ok := c.s.g.Store().(store.Masker)
		switch {
		case caller == nil:
			c.maskFailed(chatnio.MaskNotSigned)
		case !ok:
			c.maskFailed("the conversation store keeps no masks")
		default:
			handle(c, caller, keeper)
		}
	})
}

func (c *call) maskFailed(message string) { c.json(200, chatnio.AppendMaskFail(nil, message)) }

// maskDone answers a mask call by what its store said. A mask that is not there
// is the request's fault.
func (c *call) maskDone(err error) {
	switch {
	case err == nil:
		c.json(200, chatnio.AppendMaskOK(nil))
	case errors.Is(err, store.ErrNotFound):
		c.maskFailed(chatnio.MaskInvalid)
	default:
		c.s.log.Error("store", "id", c.id, "why", err)
		c.maskFailed("the conversation store failed")
	}
}

func chatnioMasks(c *call, caller *proxy.Caller, keeper store.Masker) {
	ctx, cancel := context.WithTimeout(c.s.life, storeWait)
	defer cancel()
	masks, err := keeper.Masks(ctx, caller.Name)
	if err != nil {
		c.maskDone(err)
		return
	}
	list := make([]chatnio.Mask, 0, len(masks))
	for _, m := range masks {
		list = append(list, chatnio.Mask(m))
	}
	c.json(200, chatnio.AppendMasks(nil, list))
}

func chatnioSaveMask(c *call, caller *proxy.Caller, keeper store.Masker) {
	decoded, err := chatnio.DecodeMask(c.ctx.Request.Body())
	if err != nil {
		c.maskFailed(chatnio.MaskInvalid)
		return
	}
	mask := store.Mask(decoded)
	ctx, cancel := context.WithTimeout(c.s.life, storeWait)
	defer cancel()
	c.maskDone(keeper.SaveMask(ctx, caller.Name, &mask))
}

func chatnioDeleteMask(c *call, caller *proxy.Caller, keeper store.Masker) {
	id, err := chatnio.DecodeMaskID(c.ctx.Request.Body())
	if err != nil {
		c.maskFailed(chatnio.MaskInvalid)
		return
	}
	ctx, cancel := context.WithTimeout(c.s.life, storeWait)
	defer cancel()
	c.maskDone(keeper.DeleteMask(ctx, caller.Name, id))
}
