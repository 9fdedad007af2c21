package translate

import (
	"cmp"
	"encoding/json"
)

// vendorForms are the members of a failure in the forms of vendors that number what can go
// wrong, or name it in members of their own, and answer with status 200 all the same.
type vendorForms struct {
	MiniMax struct {
		Code    json.RawMessage `json:"status_code"`
		Message json.RawMessage `json:"status_msg"`
	} `json:"base_resp"`
	Spark struct {
		Code    json.RawMessage `json:"code"`
		Message json.RawMessage `json:"message"`
	} `json:"header"`
	Tencent struct {
		Error struct {
			Code    json.RawMessage `json:"Code"`
			Message json.RawMessage `json:"Message"`
		} `json:"Error"`
	} `json:"Response"`
	Baidu        json.RawMessage `json:"error_code"`
	BaiduMessage json.RawMessage `json:"error_msg"`
	OtherCode    json.RawMessage `json:"errorCode"`
	OtherMessage json.RawMessage `json:"errorMessage"`
	Msg          json.RawMessage `json:"msg"`
}

// refusal is what n says, with the word of OpenAI's for its number as the type; ok is
// false where it says nothing.
func (n *vendorForms) refusal() (ref Refusal, ok bool) {
	for _, v := range [...]struct {
		code, message json.RawMessage
		types         map[string]string
	}{
		{n.MiniMax.Code, n.MiniMax.Message, minimaxTypes},
		{n.Spark.Code, n.Spark.Message, nil},
		{n.Tencent.Error.Code, n.Tencent.Error.Message, nil},
		{n.Baidu, n.BaiduMessage, baiduTypes},
		{n.OtherCode, n.OtherMessage, nil},
	} {
		code, message := word(v.code), word(v.message)
		if code == "" || code == "0" || message == "" && v.types == nil {
			continue
		}
		return Refusal{Type: v.types[code], Code: code, Message: cmp.Or(message, word(n.Msg), code)}, true
	}
	return ref, false
}

// minimaxTypes are the numbers of platform.minimax.io, "Error Codes". What is not here is
// a fault of the server's.
var minimaxTypes = map[string]string{
	"1001": "timeout", "1002": "rate_limit", "1004": "invalid_api_key", "1008": "insufficient_balance",
	"1026": "content_filter", "1027": "content_filter", "1039": "rate_limit", "1041": "rate_limit", "1042": "invalid_request",
	"2013": "invalid_request", "2045": "rate_limit", "2049": "invalid_api_key", "2056": "rate_limit",
}

// baiduTypes are the numbers of ai.baidu.com/ai-doc/WENXINWORKSHOP, "错误码", likewise. 17 is said of
// free requests of a day that are used up, and of an account that is.
var baiduTypes = map[string]string{
	"4": "rate_limit", "6": "permission", "13": "unauthorized", "14": "unauthorized", "15": "unauthorized", "17": "insufficient_quota", "18": "rate_limit", "19": "insufficient_quota",
	"100": "invalid_request", "110": "invalid_token", "111": "invalid_token",
	"336001": "invalid_request", "336002": "invalid_request", "336003": "invalid_request", "336004": "permission", "336005": "model_not_found", "336006": "invalid_request",
	"336007": CodeTooLong, "336100": "overloaded", "336103": CodeTooLong, "336501": "rate_limit", "336502": "rate_limit", "336503": "insufficient_balance",
}
