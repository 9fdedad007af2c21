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
