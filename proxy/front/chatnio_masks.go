package front

import (
	"context"
	"errors"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate/chatnio"
)

const textManyMasks = "too many masks: delete one first"

// masking is a call on the store's masks, for storeWait at most. Callers that are
// not signed in are refused as the mask calls do (docs/rules/chatnio.md 3.1); a mask that is
// not there is the request's fault.
func masking(handle func(ctx context.Context, c *call, owner string, keeper store.Masker) ([]byte, error)) func(*call) {
	return public(func(c *call, caller *proxy.Caller) {
		if caller == nil {
			c.maskFailed(chatnio.MaskNotSigned)
			return
		}
		keeper, ok := c.s.g.Store().(store.Masker)
		if !ok {
			c.maskFailed(c.why(errNoExtra))
			return
		}
		ctx, cancel := context.WithTimeout(c.s.life, storeWait)
		defer cancel()
		body, err := handle(ctx, c, caller.Name, keeper)
		switch {
		case err == nil:
			c.json(200, body)
		case errors.Is(err, store.ErrNotFound):
			c.maskFailed(chatnio.MaskInvalid)
		case errors.Is(err, store.ErrFull):
			c.maskFailed(textManyMasks)
		default:
			c.maskFailed(c.why(err))
		}
	})
}

func (c *call) maskFailed(message string) { c.json(200, chatnio.AppendMaskFail(nil, message)) }

func chatnioMasks(ctx context.Context, _ *call, owner string, keeper store.Masker) ([]byte, error) {
	masks, err := keeper.Masks(ctx, owner)
	if err != nil {
		return nil, err
	}
	list := make([]chatnio.Mask, 0, len(masks))
	for _, m := range masks {
		list = append(list, chatnio.Mask(m))
	}
	return chatnio.AppendMasks(nil, list), nil
}

func chatnioSaveMask(ctx context.Context, c *call, owner string, keeper store.Masker) ([]byte, error) {
	decoded, err := chatnio.DecodeMask(c.ctx.Request.Body())
	if err != nil {
		return nil, failure(chatnio.MaskInvalid)
	}
	mask := store.Mask(decoded)
	return chatnio.AppendMaskOK(nil), keeper.SaveMask(ctx, owner, &mask)
}

func chatnioDeleteMask(ctx context.Context, c *call, owner string, keeper store.Masker) ([]byte, error) {
	id, err := chatnio.DecodeMaskID(c.ctx.Request.Body())
	if err != nil {
		return nil, failure(chatnio.MaskInvalid)
	}
	return chatnio.AppendMaskOK(nil), keeper.DeleteMask(ctx, owner, id)
}
