package chatnio

import (
	"encoding/json"
	"math"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// AppendHello appends the answer to GET /: whether the caller is signed in.
func AppendHello(dst []byte, signed bool) []byte {
	dst = jsonx.AppendBool(append(dst, `{"auth":`...), signed)
	return append(dst, `,"method":"GET","status":true}`...)
}

// AppendState appends the answer to POST /state: who the caller is. An empty
// user is one who is not signed in. Nobody is an administrator here.
func AppendState(dst []byte, user string) []byte {
	dst = jsonx.AppendBool(append(dst, `{"admin":false,"status":`...), user != "")
	dst = jsonx.AppendHTMLString(append(dst, `,"user":`...), user)
	return append(dst, '}')
}

// AppendToken appends the answer to a login that succeeded.
func AppendToken(dst []byte, token string) []byte {
	dst = jsonx.AppendHTMLString(append(dst, `{"status":true,"token":`...), token)
	return append(dst, '}')
}

// AppendKey appends the answer to GET /apikey.
func AppendKey(dst []byte, key string) []byte {
	dst = jsonx.AppendHTMLString(append(dst, `{"key":`...), key)
	return append(dst, `,"status":true}`...)
}

// AppendUser appends the answer to GET /userinfo. id is the caller's stable
// number; days since registration, used quota and plans are not kept, and 0.
func AppendUser(dst []byte, id int64) []byte {
	dst = jsonx.AppendInt(append(dst, `{"data":{"id":`...), id)
	return append(dst, `,"register_days":0,"used_quota":0,"plan_total_month":0,"email":""},"status":true}`...)
}

// AppendPoints appends the answer to GET /quota: the points in the caller's
// purse.
func AppendPoints(dst []byte, points float64) []byte {
	dst = appendQuota(append(dst, `{"quota":`...), float32(points))
	return append(dst, `,"status":true}`...)
}

// AppendPackage appends the answer to GET /package, whose data is an object and
// never null: two SDKs fall over null (docs/rules/chatnio.md 7).
func AppendPackage(dst []byte) []byte {
	return append(dst, `{"data":{"cert":false,"teenager":false},"status":true}`...)
}

const epoch = `"1970-01-01 00:00:00"`

// AppendSubscription appends the answer to GET /subscription, for a caller
// without one: a single object, where the real server sends two in a row
// (docs/rules/chatnio.md 6 and 8.8). The same is under data, where the JS SDK looks for it.
func AppendSubscription(dst []byte) []byte {
	const short = `"enterprise":false,"expired":0`
	const long = `"is_subscribed":false,"level":0`
	dst = append(dst, `{"data":{`+short+`,`+long+`,"status":true,"usage":{}},`+short+`,"expired_at":`+epoch+`,`+long...)
	return append(dst, `,"refresh":0,"refresh_at":`+epoch+`,"status":true,"usage":{}}`...)
}

// AppendInfo appends the answer to GET /info: what a web client shows of the
// site. What it may ask for beyond chats is switched off.
func AppendInfo(dst []byte, title string) []byte {
	dst = jsonx.AppendHTMLString(append(dst, `{"title":`...), title)
	return append(dst, `,"logo":"","file":"","docs":"","announcement":"","buy_link":"","contact":"","footer":"","auth_footer":false,"mail":false,"article":[],"generation":[],"relay_plan":false}`...)
}

// Charge is what a group of models costs.
type Charge struct {
	Models    []string
	Anonymous bool // callers who are not signed in may use them
}

// AppendCharges appends the answer to GET /v1/charge. Nothing costs anything, so
// each group is of the type non-billing; groups without models are left out.
func AppendCharges(dst []byte, groups []Charge) []byte {
	dst = append(dst, '[')
	n := int64(0)
	for _, g := range groups {
		if len(g.Models) == 0 {
			continue
		}
		if n++; n > 1 {
			dst = append(dst, ',')
		}
		dst = jsonx.AppendInt(append(dst, `{"id":`...), n)
		dst = append(dst, `,"type":"non-billing","models":[`...)
		for i, name := range g.Models {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = jsonx.AppendHTMLString(dst, name)
		}
		dst = jsonx.AppendBool(append(dst, `],"input":0,"output":0,"anonymous":`...), g.Anonymous)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// AppendMarket appends the answer to GET /v1/market: models, with empty descriptions.
func AppendMarket(dst []byte, models []string) []byte {
	dst = append(dst, '[')
	for i, name := range models {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonx.AppendHTMLString(append(dst, `{"id":`...), name)
		dst = jsonx.AppendHTMLString(append(dst, `,"name":`...), name)
		dst = append(dst, `,"description":"","free":true,"auth":false,"default":true,"high_context":false,"avatar":"","tag":[]}`...)
	}
	return append(dst, ']')
}

// AppendUsage appends the answer to GET /dashboard/billing/usage.
func AppendUsage(dst []byte) []byte { return append(dst, `{"object":"list","total_usage":0}`...) }

// AppendBilling appends the answer to GET /dashboard/billing/subscription for a
// purse of so many points, of which 10 are one yuan and 73 one dollar.
func AppendBilling(dst []byte, points float64) []byte {
	const perDollar = 73
	units, dollars := int64(math.Floor(points*100)), points/perDollar
	dst = jsonx.AppendInt(append(dst, `{"object":"billing_subscription","soft_limit":`...), units)
	dst = jsonx.AppendInt(append(dst, `,"hard_limit":`...), units)
	dst = append(dst, `,"system_hard_limit":100000000,"soft_limit_usd":`...)
	dst = appendQuota(dst, float32(dollars))
	dst = appendQuota(append(dst, `,"hard_limit_usd":`...), float32(dollars))
	return append(dst, `,"system_hard_limit_usd":1000000}`...)
}

// AppendNoCode appends the answer to GET /invite and /redeem, whose codes exist
// nowhere.
func AppendNoCode(dst []byte, message string) []byte {
	dst = jsonx.AppendHTMLString(append(dst, `{"error":`...), message)
	dst = jsonx.AppendHTMLString(append(dst, `,"message":`...), message)
	return append(dst, `,"quota":0,"status":false}`...)
}

// AppendNoAdmin appends the body for administration calls, sent with HTTP 401
// (docs/rules/chatnio.md 3.1): they are not for clients.
func AppendNoAdmin(dst []byte) []byte {
	return append(dst, `{"code":401,"message":"Access denied."}`...)
}

// DecodeLogin reads the JSON body of POST /login. The error is an *Error with
// CodeValidation.
func DecodeLogin(body []byte) (user, password string, err error) {
	var w struct {
		Username string `json:"username"`
		Password string `json:"password"`
	}
	if err := json.Unmarshal(body, &w); err != nil {
		return "", "", invalid("bad request", err)
	}
	return w.Username, w.Password, nil
}

// DecodeBuy checks the body of POST /buy, which can name a number of points that
// nobody may buy. The error is an *Error with CodeValidation.
func DecodeBuy(body []byte) error {
	var w struct {
		Quota translate.Raw `json:"quota"`
	}
	if err := json.Unmarshal(body, &w); err != nil {
		return invalid("invalid form", err)
	}
	if n, ok := integral(scalar(w.Quota)); !ok || n < 1 || n > 99999 {
		return translate.Invalid("invalid quota range (1 ~ 99999)")
	}
	return nil
}
