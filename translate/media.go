package translate

import "strings"

// ImageType is the registered name of a media type of images, in lower case, for one that programs call
// otherwise: vendors take the registered ones.
func ImageType(media string) string {
	switch media = strings.ToLower(strings.TrimSpace(media)); media {
	case "image/jpg", "image/pjpeg", "image/jfif":
		return "image/jpeg"
	case "image/x-png", "image/apng":
		return "image/png"
	}
	return media
}

// IsData reports whether s is a data URI (RFC 2397).
func IsData(s string) bool {
	return len(s) >= len("data:") && strings.EqualFold(s[:len("data:")], "data:")
}

// DataURI takes a data URI that is base64 apart: its media type in lower case, without parameters, and what
// it holds as [Base64] has it. ok is false for any other, and for one that holds nothing.
func DataURI(s string) (media, data string, ok bool) {
	if !IsData(s) {
		return "", "", false
	}
	head, data, _ := strings.Cut(s[len("data:"):], ",")
	media, ok = strings.CutSuffix(strings.ToLower(head), ";base64")
	if !ok || data == "" {
		return "", "", false
	}
	media, _, _ = strings.Cut(media, ";")
	return media, Base64(data), true
}

// lineMost is how long the lines of base64 are that is wrapped (RFC 2045: 76 characters; others have more).
const lineMost = 1 << 10

// Base64 is base64 as vendors take it: on one line, and padded. Programs wrap it, and leave the padding out.
func Base64(data string) string {
	const blanks = " \t\r\n"
	ends := data[max(0, len(data)-lineMost):]
	if len(data)%4 == 0 && !strings.ContainsAny(data[:min(len(data), lineMost)], blanks) && !strings.ContainsAny(ends, blanks) {
		return data
	}
	data = strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "").Replace(data)
	if n := len(data) % 4; n > 1 && !strings.HasSuffix(data, "=") {
		data += "=="[:4-n]
	}
	return data
}
