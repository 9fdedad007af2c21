package translate

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// words are a refusal in lower case, of which nobody but vendors has written the
// beginning: what a client said comes later in a text, if at all, so that it cannot
// choose what a refusal means for a channel.
type words struct {
	kinds [2]string // type and code, with letters and digits only
	text  string    // the message, without what gateways put before it; cut
	param string    // the member of the request that it names
	inner saying
}

// textMost is how much of a message is looked at.
const textMost = 1 << 10

// saying is a refusal as its author said it.
type saying struct {
	Refusal
	retry time.Duration // when to come back, from its details
	sent  int64         // tokens of the question, from its members
	limit int64         // tokens that the model takes, from its members
}

func wordsOf(s saying) *words {
	w := &words{inner: s, param: s.Param}
	for i, kind := range [...]string{s.Type, s.Code} {
		w.kinds[i] = letters(kind)
	}
	w.text = strings.ToLower(s.Message[:cutAt(s.Message, textMost)])
	return w
}

// letters is s in lower case without what is no letter or digit: insufficient_quota,
// insufficient-quota and InsufficientQuota are the same.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r > 127:
			return r
		}
		return -1
	}, s[:cutAt(s, 100)])
}

// is reports whether type or code is one of kinds.
func (w *words) is(kinds ...string) bool {
	for _, k := range kinds {
		if w.kinds[0] == k || w.kinds[1] == k {
			return true
		}
	}
	return false
}

// holds reports whether type or code has one of pieces in it.
func (w *words) holds(pieces ...string) bool {
	for _, p := range pieces {
		if strings.Contains(w.kinds[0], p) || strings.Contains(w.kinds[1], p) {
			return true
		}
	}
	return false
}

// begins reports whether the message begins with one of texts.
func (w *words) begins(texts ...string) bool {
	for _, t := range texts {
		if strings.HasPrefix(w.text, t) {
			return true
		}
	}
	return false
}

// says reports whether one of texts is in the message.
func (w *words) says(texts ...string) bool {
	for _, t := range texts {
		if strings.Contains(w.text, t) {
			return true
		}
	}
	return false
}

// content: the question or its answer was refused for what it says. 1301 is Zhipu's.
func (w *words) content() bool {
	return w.holds("contentfilter", "contentpolicy", "moderation", "datainspection", "riskcontrol") || w.is("1301", "promptblocked", "contentblocked") ||
		w.begins("your chosen model requires moderation", "content violates usage guidelines", "the response was filtered due to")
}

// cost: the question was estimated to cost more than is left, and something is. coai,
// new-api and OpenRouter say so.
func (w *words) cost() bool {
	switch {
	case w.begins("estimated cost exceeds user quota", "user quota is not enough error"):
		return w.after("your quota: ") > 0
	case w.begins("this request requires more credits", "预扣费额度失败"):
		return w.after("can only afford ") > 0 || w.after("剩余额度: ") > 0
	}
	return false
}

// purse: nothing is left. 1113 is Zhipu's.
func (w *words) purse() bool {
	if w.holds("resourceexhausted") {
		return false // Google's word for throttling, with the text of an empty purse
	}
	return w.is("insufficientquota", "insufficientuserquota", "insufficientbalance", "insufficientaccountbalance", "insufficientcredits", "insufficientfunds",
		"exceededcurrentquotaerror", "exceededcurrentquota", "preconsumetokenquotafailed", "arrearage", "accountoverdueerror", "billingerror",
		"billinghardlimitreached", "billingnotactive", "budgetexceeded", "paymentrequired", "paymentrequirederror", "quotanotenough", "creditsexhausted",
		"allocationquotafreetieronly", "quotaexceedederror", "1113") ||
		w.begins("insufficient balance", "insufficient credits", "insufficient account balance", "insufficient funds", "insufficient quota",
			"your credit balance is too low", "credit balance is too low", "you exceeded your current quota", "exceeded your current quota",
			"your account is not active, please check your billing", "billing hard limit", "budget has been exceeded", "you have reached your specified api usage limits",
			"estimated cost exceeds user quota", "user quota is not enough", "token quota is not enough", "you don't have enough quota", "this request requires more credits",
			"access denied, please make sure your account is in good standing", "余额不足", "账户余额不足", "账号余额不足", "用户额度不足", "用户余额不足", "您的账户已欠费", "该令牌额度已用尽", "预扣费额度失败", "令牌额度不足") ||
		w.begins("your team") && w.says("used all available credits", "monthly spending limit") ||
		w.begins("your newly created team doesn't have any credits", "sorry, your account balance is insufficient", "your account balance is insufficient", "account balance is insufficient") ||
		w.begins("your account") && w.says("insufficient balance", "suspended, please check your plan and billing", "in arrears")
}

// place: nobody is served where we are.
func (w *words) place() bool {
	return w.is("unsupportedcountryregionterritory", "unsupportedcountry", "countrynotsupported", "regionnotsupported") ||
		w.begins("user location is not supported", "country, region, or territory not supported", "gemini api free tier is not available in your country",
			"access from your country", "access to anthropic models is not allowed from unsupported")
}

// noModel: the channel has not got the model. 1211 is Zhipu's.
func (w *words) noModel() bool {
	if w.is("modelnotfound", "modelnotexist", "modelnotexists", "invalidmodel", "unknownmodel", "modelnotsupported", "unsupportedmodel", "modeldecommissioned",
		"modeldeprecated", "deploymentnotfound", "modelnotopen", "invalidendpointormodelnotfound", "nosuchmodel", "modelpricenotset", "1211") {
		return true
	}
	if w.param != "" && w.param != "model" {
		return false
	}
	if w.begins("the price of the model is not set", "you passed in model=", "invalid model name passed in", "invalid model", "unknown model", "no such model",
		"unsupported model", "not found the model", "this is not a chat model", "no available channel for model", "there are no healthy deployments for this model",
		"no endpoints found for ", "模型不存在", "当前分组", "分组 ", "model not exist", "the api deployment for this resource does not exist") {
		return w.says("model", "模型", "no endpoints found for", "渠道", "deployment")
	}
	if w.says("invalid model name passed in model=") { // LiteLLM, behind a path
		return true
	}
	if w.begins("cannot find channel for model") {
		return !w.says("(" + strings.ToLower(string(CodeUnavailable))) // a gateway of our own kind says why
	}
	if w.is("notfounderror") && w.begins("model:") { // Anthropic
		return true
	}
	if w.begins("model", "the model", "the requested model", "this model", "requested model", "the specified model", "project ", "no model") {
		return w.says("does not exist", "not exist", "not found", "is not available", "no longer available", "decommissioned", "not a valid model", "does not have access to model",
			"has been deprecated", "is not supported")
	}
	return w.begins("models/") && w.says("is not found") || len(w.text) < 300 && strings.HasSuffix(strings.TrimSuffix(w.text, "."), "is not a valid model id")
}

// busy: it is to be left alone for a while. 1302 to 1305 are Zhipu's.
func (w *words) busy(status int) bool {
	return w.holds("ratelimit", "toomanyrequests", "throttl", "overloaded", "resourceexhausted") ||
		(status == 429 || status == 503 || status == 0) && w.is("requests", "tokens") || w.is("1302", "1303", "1305", "requests", "tokens") && w.says("limit") ||
		w.begins("rate limit reached", "rate limit exceeded", "rate limited", "too many requests", "no deployments available for selected model, try again", "请求过于频繁") ||
		w.begins("request failed with status code: 429")
}

// key: our credential was refused.
func (w *words) key() bool {
	return w.is("invalidapikey", "apikeyinvalid", "authenticationerror", "invalidauthenticationerror", "invalidauthentication", "unauthorized", "unauthenticated",
		"incorrectapikeyerror", "accountdeactivated", "accountdisabled", "accountsuspended", "organizationrestricted", "organizationdisabled", "ipnotauthorized", "servicedisabled", "invalidtoken", "tokennotfoundindb", "autherror", "expiredkey") ||
		w.begins("organization has been restricted", "this organization has been", "your organization has been", "your organization must be verified", "your ip is not authorized") ||
		w.is("failedprecondition", "permissiondenied") && w.says("has not been used in project") ||
		w.begins("incorrect api key", "invalid api key", "invalid api-key", "api key not valid", "api key not found", "api key expired", "authentication fails", "no auth credentials found",
			"access denied. please provide correct api key", "无效的令牌", "该令牌状态不可用", "request failed with status code: 401", "request failed with status code: 403")
}

// namesKey: it is our key that was refused, whatever it is used for. Behind others a
// vendor's words about a key may be about one of theirs; these are of those who own
// the key: coai, LiteLLM, one-api and new-api.
func (w *words) namesKey() bool {
	return w.says("provide correct api key") || w.is("tokennotfoundindb") || w.begins("authentication error, invalid proxy server token") ||
		w.is("oneapierror", "newapierror") && w.begins("无效的令牌", "invalid token", "该令牌")
}

// broken: the server is not well, whatever status it gave.
func (w *words) broken() bool {
	return w.is("servererror", "internalservererror", "internalerror", "serverunavailable", "serviceunavailable", "serviceunavailableerror", "unavailableerror", "unavailable") ||
		w.begins("loading model", "model is loading", "the model is loading")
}

// wrongPath: what the channel's url says is not where the server has its endpoint.
func (w *words) wrongPath() bool {
	return w.begins("invalid url (", "unknown url", "unknown request url", "unrecognized request url", "api version not supported")
}

// unknownPath: nothing is served at the path of the request.
func (w *words) unknownPath() bool {
	return w.begins("invalid url", "unknown url", "no route", "route not found", "resource not found", "path not found", "cannot post", "unknown request url", "404 page not found", "the requested url", "unrecognized request url") ||
		strings.Trim(w.text, ". ") == "not found" || w.text == ""
}

// after is the number behind mark in the message, 0 if there is none.
func (w *words) after(mark string) float64 {
	_, rest, ok := strings.Cut(w.text, mark)
	if !ok {
		return 0
	}
	rest = strings.TrimLeft(rest, "$¥＄￥ ")
	end := 0
	for end < len(rest) && (rest[end] >= '0' && rest[end] <= '9' || rest[end] == '.' || end == 0 && rest[end] == '-') {
		end++
	}
	n, _ := strconv.ParseFloat(strings.TrimRight(rest[:end], "."), 64)
	return n
}

// meant is ref without what gateways put around the words of those behind them.
func meant(ref Refusal) saying {
	s := saying{Refusal: ref}
	text := strings.TrimSpace(ref.Message)
	for range unwrapped {
		head, rest, ok := strings.Cut(text, ": ")
		if !ok || strings.ContainsAny(head, " \n") || !strings.HasSuffix(head, "Error") && !strings.HasSuffix(head, "Exception") {
			break
		}
		if strings.HasSuffix(head, "ContextWindowExceededError") && s.Code != CodeTooLong {
			s.Code = CodeTooLong
		}
		text = rest
	}
	const by = "Exception - " // OpenAIException - Incorrect API key
	if at := strings.Index(text[:cutAt(text, 200)], by); at >= 0 && !strings.Contains(text[:at], ". ") {
		text = text[at+len(by):]
	}
	if status, rest, ok := strings.Cut(text, " - "); ok && strings.HasPrefix(status, "Error code: ") {
		text = rest
	}
	if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[{") {
		var first json.RawMessage
		if json.NewDecoder(strings.NewReader(text)).Decode(&first) == nil {
			if inner, deep, form := readPlain(first); form == formError {
				deep.Refusal = inner
				return deep
			}
		}
	}
	s.Message = text
	return s
}
