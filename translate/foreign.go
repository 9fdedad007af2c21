package translate

import "github.com/dragoman-gateway/dragoman/internal/jsonx"

// belongs are the members by which a question is known as one of a dialect, and where it is to be sent.
var belongs = []struct{ member, to string }{
	{"contents", "POST /v1beta/models/{model}:generateContent"},
	{"messages", "POST /v1/chat/completions or POST /v1/messages"},
	{"input", "POST /v1/responses"},
	{"message", "POST /api/chat"},
	{"prompt", "POST /v1/completions"},
	{"query", "POST /v1/rerank"},
	{"chat_type", "the WebSocket GET /ws/v1/chat"},
}

// Whose returns the member by which a body is known as a question of another front than that of own,
// and where it is to be sent; both are empty where nothing is known of it.
func Whose(o *jsonx.Outline, own string) (member, to string) {
	for _, b := range belongs {
		if b.member != own && o.Find(b.member) != nil {
			return b.member, b.to
		}
	}
	return "", ""
}

// Foreign returns an *Error with CodeValidation for a body that has not got own, the member by which
// questions of its front are known, and has that of another front, which the error names; else nil.
func Foreign(o *jsonx.Outline, own string) *Error {
	if o.Find(own) != nil {
		return nil
	}
	if member, to := Whose(o, own); member != "" {
		return InvalidAt(own, own+" is required: a body with "+member+" is for "+to)
	}
	return nil
}
