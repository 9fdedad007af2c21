package config

import (
	"errors"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes: 1048576, 1024KiB or 1MiB.
type Size int

// setScalar parses text into v, which is of one of the types that a single
// value of the file may have. The error says what is wanted, without text.
func setScalar(v reflect.Value, text string) error {
	switch p := v.Addr().Interface().(type) {
	case *time.Duration:
		return setDuration(p, text)
	case *AutoDuration:
		if text == "auto" {
			*p = 0
			return nil
		}
		if err := setDuration((*time.Duration)(p), text); err != nil {
			return errors.New(`want "auto" or a duration such as 3s, 500ms or 10m`)
		}
		return nil
	case *AutoCount:
		return setCount(p, text)
	case *Size:
		return setSize(p, text)
	case *Rate:
		return setRate(p, text)
	case *time.Time:
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return errors.New("want a time such as 2027-01-31T00:00:00Z (RFC 3339)")
		}
		*p = t
		return nil
	}
	return setPlain(v, text)
}

func setPlain(v reflect.Value, text string) error {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return errors.New("want true or false")
		}
		v.SetBool(text == "true")
	case reflect.Int:
		n, err := strconv.ParseInt(text, 10, strconv.IntSize)
		if err != nil {
			return errors.New("want a whole number")
		}
		v.SetInt(n)
	case reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return errors.New("want a number")
		}
		v.SetFloat(f)
	default:
		return errors.New("cannot be set in a file")
	}
	return nil
}

func setDuration(p *time.Duration, text string) error {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return errors.New("want a duration such as 90d, 3s, 500ms or 10m; at most 65535 whole days")
		}
		*p = time.Duration(n) * 24 * time.Hour
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return errors.New("want a duration such as 3s, 500ms or 10m")
	}
	if d < 0 {
		return errors.New("must not be negative")
	}
	*p = d
	return nil
}

func setCount(p *AutoCount, text string) error {
	if text == "auto" {
		*p = 0
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 {
		return errors.New(`want "auto" or a whole number of at least 1`)
	}
	*p = AutoCount(n)
	return nil
}

func setSize(p *Size, text string) error {
	unit := 1
	for _, u := range []struct {
		name  string
		bytes int
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}} {
		if rest, ok := strings.CutSuffix(text, u.name); ok {
			text, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return errors.New("want a size such as 1MiB, 512KiB or 1048576 (bytes)")
	}
	if n > math.MaxInt/unit {
		return errors.New("is too large")
	}
	*p = Size(n * unit)
	return nil
}

func setRate(p *Rate, text string) error {
	wrong := errors.New("want a rate such as 10/s, 20/m, 100/h or 1000/d")
	count, per, ok := strings.Cut(text, "/")
	if !ok {
		return wrong
	}
	n, err := strconv.Atoi(strings.TrimSpace(count))
	if err != nil {
		return wrong
	}
	if n < 1 {
		return errors.New("must be at least 1 per period")
	}
	periods := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}
	d, ok := periods[strings.TrimSpace(per)]
	if !ok {
		return wrong
	}
	*p = Rate{N: n, Per: d}
	return nil
}

// least returns what is wrong with a number below its least value, or nil.
func least(v reflect.Value, tag string) error {
	smallest, _ := strconv.ParseInt(tag, 10, 64)
	switch {
	case v.CanInt() && v.Int() < smallest:
		if smallest == 0 {
			return errors.New("must not be negative")
		}
		return errors.New("must be at least " + tag)
	case v.CanFloat() && v.Float() < 0:
		return errors.New("must not be negative")
	}
	return nil
}
