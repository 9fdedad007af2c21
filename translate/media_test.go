package translate

import (
	"strings"
	"testing"
)

func TestImagesGoUnderTheNamesThatVendorsKnow(t *testing.T) {
	t.Parallel()
	for media, want := range map[string]string{"image/jpg": "image/jpeg", "IMAGE/PJPEG": "image/jpeg", "image/jpeg": "image/jpeg", "image/x-png": "image/png", " image/webp": "image/webp", "image/svg+xml": "image/svg+xml"} {
		if got := ImageType(media); got != want {
			t.Errorf("%s: %s", media, got)
		}
	}
}

func TestBase64IsOnOneLineAndPadded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("QUJD", 1<<10)
	wrapped := ""
	for at := 0; at < len(long); at += 76 {
		wrapped += long[at:min(len(long), at+76)] + "\r\n"
	}
	for data, want := range map[string]string{
		"QUJD": "QUJD", "QUI=": "QUI=", "QUI": "QUI=", "QQ": "QQ==", "QU JD\n": "QUJD", "Q": "Q", "": "", long: long, wrapped: long, long + "\n": long, "@@@": "@@@=",
	} {
		if got := Base64(data); got != want {
			t.Errorf("%.40q: %.40q", data, got)
		}
	}
}
