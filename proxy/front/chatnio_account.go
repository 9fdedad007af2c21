package front

import (
	"context"
	"slices"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/chatnio"
)

const (
	// fullPurse is what a caller without a budget has in points: clients take 0 for
	// an empty purse. What is left of a budget is a fraction, as on the real server.
	fullPurse = 1_000_000
	// loginLife is how long a login lasts, as on the real server (docs/rules/chatnio.md 3.1).
	loginLife = 30 * 24 * time.Hour
	// siteTitle is the name that web clients show.
	siteTitle = "dragoman"
)

// accountCalls are the calls about the caller and the site (docs/rules/chatnio.md 6), without
// /api.
var accountCalls = []Route{
	{Method: "POST", Path: "/login", Handle: public(chatnioLogin)},
	{Method: "POST", Path: "/state", Handle: public(chatnioState)},
	{Method: getHead, Path: "/userinfo", Handle: signedIn(func(c *call, caller *proxy.Caller) { c.json(200, chatnio.AppendUser(nil, userID(caller.Name))) })},
	{Method: getHead, Path: "/apikey", Handle: signedIn(chatnioKey)},
	{Method: getHead, Path: "/quota", Handle: signedIn(purse(chatnio.AppendPoints))},
	{Method: getHead, Path: "/package", Handle: signedIn(func(c *call, _ *proxy.Caller) { c.json(200, chatnio.AppendPackage(nil)) })},
	{Method: getHead, Path: "/subscription", Handle: signedIn(func(c *call, _ *proxy.Caller) { c.json(200, chatnio.AppendSubscription(nil)) })},
	{Method: getHead, Path: "/dashboard/billing/usage", Handle: signedIn(func(c *call, _ *proxy.Caller) { c.json(200, chatnio.AppendUsage(nil)) })},
	{Method: getHead, Path: "/dashboard/billing/subscription", Handle: signedIn(purse(chatnio.AppendBilling))},
	{Method: getHead, Path: "/info", Handle: public(func(c *call, _ *proxy.Caller) { c.json(200, chatnio.AppendInfo(nil, siteTitle)) })},
	{Method: getHead, Path: "/v1/market", Handle: public(chatnioMarket)},
	{Method: getHead, Path: "/v1/charge", Handle: public(chatnioCharge)},
	{Method: getHead, Path: "/v1/plans", Handle: public(func(c *call, _ *proxy.Caller) { c.json(200, []byte(`[]`)) })},
	{Method: getHead, Path: "/broadcast/list", Handle: public(func(c *call, _ *proxy.Caller) { c.json(200, []byte(`{"data":[]}`)) })},
	{Method: getHead, Path: "/broadcast/view", Handle: public(func(c *call, _ *proxy.Caller) { c.json(200, []byte(`null`)) })},

	// What needs accounts or money, of which there is neither.
	{Method: "POST", Path: "/register", Handle: public(never("registration is closed: callers are set by the operator"))},
	{Method: "POST", Path: "/verify", Handle: public(never("there is no mail on this site"))},
	{Method: "POST", Path: "/reset", Handle: public(never("there are no passwords on this site: callers are set by the operator"))},
	{Method: "POST", Path: "/resetkey", Handle: signedIn(never("keys are set by the operator"))},
	{Method: "POST", Path: "/buy", Handle: signedIn(chatnioBuy)},
	{Method: "POST", Path: "/subscribe", Handle: signedIn(never("subscription feature does not enable of this site"))},
	{Method: getHead, Path: "/invite", Handle: signedIn(func(c *call, _ *proxy.Caller) { c.json(200, chatnio.AppendNoCode(nil, "invitation code not found")) })},
	{Method: getHead, Path: "/redeem", Handle: signedIn(func(c *call, _ *proxy.Caller) { c.json(200, chatnio.AppendNoCode(nil, "redeem code not found")) })},
}

// purse answers a call about what the caller may still spend: a point is one of the
// unit of the prices.
func purse(show func([]byte, float64) []byte) func(*call, *proxy.Caller) {
	return func(c *call, caller *proxy.Caller) {
		ctx, cancel := context.WithTimeout(context.Background(), storeWait)
		defer cancel()
		left, limited, err := c.s.g.Purse(ctx, caller)
		if err != nil {
			c.refuse("internal error")
			return
		}
		if !limited {
			left = fullPurse
		}
		c.json(200, show(nil, left))
	}
}

// never answers a call that cannot succeed here.
func never(message string) func(*call, *proxy.Caller) {
	return func(c *call, _ *proxy.Caller) { c.refuse(message) }
}

// chatnioHello answers GET /.
func chatnioHello(c *call, caller *proxy.Caller) {
	c.json(200, chatnio.AppendHello(nil, caller != nil))
}

func chatnioState(c *call, caller *proxy.Caller) {
	name := ""
	if caller != nil {
		name = caller.Name
	}
	c.json(200, chatnio.AppendState(nil, name))
}

// textTooMany is what a client is told that has sent too many wrong passwords.
const textTooMany = "too many wrong keys or passwords, please try again later"

// tooManyBad answers who has sent too many.
func (c *call) tooManyBad(err *translate.Error) {
	c.retryAfter(err)
	c.json(429, chatnio.AppendFail(nil, textTooMany))
}

// chatnioLogin takes a configured caller's name and key as user name and
// password, in JSON or as a form. It works where callers.jwt.secret is set. After too
// many wrong ones it is 429, whether or not this one is right.
func chatnioLogin(c *call, _ *proxy.Caller) {
	args := c.ctx.PostArgs()
	name, password := string(args.Peek("username")), string(args.Peek("password"))
	if name == "" && password == "" {
		var err error
		if name, password, err = chatnio.DecodeLogin(c.ctx.Request.Body()); err != nil {
			c.refuse("bad request")
			return
		}
	}
	token, err := c.s.g.Login(name, password, c.address(), loginLife)
	switch {
	case err == nil:
	case err.Code == translate.CodeRateLimited:
		c.tooManyBad(err)
		return
	case err.Code == translate.CodeInternal:
		c.refuse("internal error")
		return
	default:
		c.refuse(err.Message)
		return
	}
	c.json(200, chatnio.AppendToken(nil, token))
}

// chatnioKey shows the credential that the call was made with: keys themselves
// are nobody's to ask for.
func chatnioKey(c *call, _ *proxy.Caller) {
	c.json(200, chatnio.AppendKey(nil, chatnio.BareToken(c.header("Authorization"))))
}

func chatnioBuy(c *call, _ *proxy.Caller) {
	if err := chatnio.DecodeBuy(c.ctx.Request.Body()); err != nil {
		c.refuse(typed(err).Message)
		return
	}
	c.refuse("cannot find payment provider")
}

// offered are the models that the caller is shown, nil being one without a key: those
// that need no key, and the others. They are all models, so that a page that was loaded
// before its user signed in knows them, or where that is configured those that the
// caller may use.
func (c *call) offered(caller *proxy.Caller) (anyone, only []string) {
	var open []string
	if anonymous, err := c.s.g.Identify("", c.address()); err == nil {
		open = c.s.g.Models(anonymous)
	}
	if p := c.s.settings().Chatnio.PublicModels; p == nil || *p {
		caller = &proxy.Caller{} // who may use every model
	}
	if caller == nil {
		return open, nil
	}
	for _, m := range c.s.g.Models(caller) {
		if slices.Contains(open, m) {
			anyone = append(anyone, m)
		} else {
			only = append(only, m)
		}
	}
	return anyone, only
}

func chatnioMarket(c *call, caller *proxy.Caller) {
	anyone, only := c.offered(caller)
	c.json(200, chatnio.AppendMarket(nil, append(anyone, only...)))
}

func chatnioCharge(c *call, caller *proxy.Caller) {
	anyone, only := c.offered(caller)
	c.json(200, chatnio.AppendCharges(nil, []chatnio.Charge{{Models: anyone, Anonymous: true}, {Models: only}}))
}
