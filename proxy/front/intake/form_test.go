package intake

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"strings"
	"testing"
)

// formOf is a form with the fields, each a name and a value; a name that begins with @ is that of a file.
func formOf(fields ...string) (body, kind string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		if name, ok := strings.CutPrefix(fields[i], "@"); ok {
			p, _ := w.CreateFormFile(name, "a \"b\".wav")
			_, _ = io.WriteString(p, fields[i+1])
		} else {
			_ = w.WriteField(fields[i], fields[i+1])
		}
	}
	_ = w.Close()
	return b.String(), w.FormDataContentType()
}

func TestTheFieldsOfAFormAreFoundWhereverTheyStand(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("\r\n-x", 50_000)
	for _, fields := range [][]string{
		{"model", "m", "@file", "RIFF"},
		{"@file", long, "model", "m"},
		{"prompt", long, "@file", "", "model", "a\r\n--b"},
		{"@model", "not this", "model", "m", "x", ""},
	} {
		body, kind := formOf(fields...)
		f, err := ScanForm(strings.NewReader(body), int64(len(body)), kind)
		if err != nil {
			t.Fatal(err)
		}
		m, wrong := f.Find("model")
		if wrong != nil || m == nil || body[m.Start:m.End] != m.Value {
			t.Errorf("%v, %v", m, wrong)
			continue
		}
		text := 0
		for i := 0; i < len(fields); i += 2 {
			if fields[i] == "model" && fields[i+1] != m.Value {
				t.Errorf("the model is %q", m.Value)
			}
			if fields[i][0] != '@' {
				text += len(fields[i+1])
			}
		}
		if f.Text != text {
			t.Errorf("%d bytes of text, want %d", f.Text, text)
		}
	}
}

func TestABadFormIsRefused(t *testing.T) {
	t.Parallel()
	good, kind := formOf("model", "m", "@file", "RIFF")
	twice, kindTwice := formOf("model", "m", "model", "n")
	if f, err := ScanForm(strings.NewReader(twice), int64(len(twice)), kindTwice); err != nil {
		t.Error(err)
	} else if _, wrong := f.Find("model"); wrong == nil {
		t.Error("of two models one was taken")
	}
	for _, second := range []string{`name="Model"`, `name="model"; filename=""`} {
		form := "--x\r\nContent-Disposition: form-data; name=model\r\n\r\nm\r\n--x\r\nContent-Disposition: form-data; " + second + "\r\n\r\nn\r\n--x--\r\n"
		f, err := ScanForm(strings.NewReader(form), int64(len(form)), "multipart/form-data; boundary=x")
		if err != nil {
			t.Error(err)
		} else if m, wrong := f.Find("model"); wrong == nil {
			t.Errorf("%s beside model: %+v", second, m)
		}
	}
	for name, c := range map[string][2]string{
		"empty": {"", kind}, "no boundary": {good, "multipart/form-data"}, "another boundary": {good, "multipart/form-data; boundary=x"},
		"no form":         {`{"model":"m"}`, kind},
		"encoded":         {"--x\r\nContent-Disposition: form-data; name=\"model\"\r\nContent-Transfer-Encoding: base64\r\n\r\nbQ==\r\n--x--\r\n", "multipart/form-data; boundary=x"},
		"without a name":  {"--x\r\nContent-Disposition: form-data\r\n\r\nm\r\n--x--\r\n", "multipart/form-data; boundary=x"},
		"an endless head": {"--x\r\nA: " + strings.Repeat("a", 100_000), "multipart/form-data; boundary=x"},
		"many parts":      {strings.Repeat("--x\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n", 2000), "multipart/form-data; boundary=x"},
	} {
		if f, err := ScanForm(strings.NewReader(c[0]), int64(len(c[0])), c[1]); err == nil {
			t.Errorf("%s: %+v", name, f)
		}
	}
	for n := range len(good) - len("--\r\n") {
		if f, err := ScanForm(strings.NewReader(good[:n]), int64(n), kind); err == nil {
			t.Fatalf("cut at %d of %d: %+v", n, len(good), f)
		}
	}
}

// What mime/multipart reads as a form is read alike.
func FuzzScanForm(f *testing.F) {
	body, _ := formOf("model", "m", "@file", "RIFF")
	f.Add([]byte(strings.ReplaceAll(body, body[2:62], "x")))
	f.Add([]byte("--x\r\nContent-Disposition: form-data; name=model\r\n\r\nm\r\n--x--"))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := ScanForm(bytes.NewReader(body), int64(len(body)), "multipart/form-data; boundary=x")
		if err != nil {
			return
		}
		r := multipart.NewReader(bytes.NewReader(body), "x")
		var want []string
		for {
			p, err := r.NextRawPart()
			if err != nil {
				break
			}
			value, err := io.ReadAll(p)
			if err != nil {
				return // it reads forms otherwise that are none
			}
			if p.FileName() == "" && p.FormName() != "" {
				want = append(want, fmt.Sprintf("%s=%.4096q", p.FormName(), value))
			}
		}
		for i, w := range want {
			if i < len(got.Fields) && got.Fields[i].Value != "" && fmt.Sprintf("%s=%.4096q", got.Fields[i].Name, got.Fields[i].Value) != w {
				t.Fatalf("%q: %+v, want %v", body, got.Fields, want)
			}
		}
	})
}
