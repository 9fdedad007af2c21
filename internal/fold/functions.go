package fold

import (
	"cmp"
	"errors"
	"fmt"
	"text/template"
)

// function is one that a template may call: how many arguments it takes, most of 0 being any
// number, and what it makes of them.
type function struct {
	least, most int
	run         func(args []any) (any, error)
}

// functions are those of text/template, but for and and or, which look at no more arguments than
// they need.
var functions = map[string]function{
	"not":      {1, 1, func(args []any) (any, error) { return !truth(args[0]), nil }},
	"len":      {1, 1, func(args []any) (any, error) { return length(args[0]) }},
	"index":    {1, 0, index},
	"slice":    {1, 4, slice},
	"print":    {0, 0, func(args []any) (any, error) { return fmt.Sprint(args...), nil }},
	"println":  {0, 0, func(args []any) (any, error) { return fmt.Sprintln(args...), nil }},
	"printf":   {1, 0, printf},
	"html":     {0, 0, func(args []any) (any, error) { return template.HTMLEscaper(plain(args)...), nil }},
	"js":       {0, 0, func(args []any) (any, error) { return template.JSEscaper(plain(args)...), nil }},
	"urlquery": {0, 0, func(args []any) (any, error) { return template.URLQueryEscaper(plain(args)...), nil }},
	"eq":       {2, 0, equal},
	"ne":       {2, 2, func(args []any) (any, error) { return negated(equal(args)) }},
	"lt":       {2, 2, func(args []any) (any, error) { n, err := order(args); return n < 0, err }},
	"le":       {2, 2, func(args []any) (any, error) { n, err := order(args); return n <= 0, err }},
	"gt":       {2, 2, func(args []any) (any, error) { n, err := order(args); return n > 0, err }},
	"ge":       {2, 2, func(args []any) (any, error) { n, err := order(args); return n >= 0, err }},
}

// plain are args as the escapers print them: nothing has a word of its own.
func plain(args []any) []any {
	all := make([]any, len(args))
	for i, v := range args {
		if all[i] = v; v == nil {
			all[i] = "<no value>"
		}
	}
	return all
}

func printf(args []any) (any, error) {
	format, ok := args[0].(string)
	if !ok {
		return nil, fmt.Errorf("its format is a string, not a %s", kindOf(args[0]))
	}
	return fmt.Sprintf(format, args[1:]...), nil
}

func length(v any) (any, error) {
	switch v := v.(type) {
	case string:
		return len(v), nil
	case []Turn:
		return len(v), nil
	}
	return nil, fmt.Errorf("a %s has no length", kindOf(v))
}

var errPlace = errors.New("a place is a number")

// place is the number that v is, from 0 to most.
func place(v any, most int) (int, error) {
	var n int
	switch v := v.(type) {
	case int:
		n = v
	case uint8:
		n = int(v)
	default:
		return 0, errPlace
	}
	if n < 0 || n > most {
		return 0, fmt.Errorf("there is no place %d", n)
	}
	return n, nil
}

// index is what stands at a place of a string or of the history, and at a place of that, and so on.
func index(args []any) (v any, err error) {
	v = args[0]
	for _, at := range args[1:] {
		var n int
		switch of := v.(type) {
		case string:
			if n, err = place(at, len(of)-1); err == nil {
				v = of[n]
			}
		case []Turn:
			if n, err = place(at, len(of)-1); err == nil {
				v = of[n]
			}
		default:
			err = fmt.Errorf("a %s has no places", kindOf(v))
		}
		if err != nil {
			return nil, err
		}
	}
	if v == nil {
		return nil, errors.New("nil has no places")
	}
	return v, nil
}

// slice is a part of a string or of the history.
func slice(args []any) (any, error) {
	whole := args[0]
	size := 0
	switch v := whole.(type) {
	case string:
		size = len(v)
		if len(args) > 3 {
			return nil, errors.New("a string takes two places")
		}
	case []Turn:
		size = len(v)
	default:
		return nil, fmt.Errorf("a %s has no parts", kindOf(whole))
	}
	ends := [3]int{0, size, size}
	for i, at := range args[1:] {
		n, err := place(at, size)
		if err != nil {
			return nil, err
		}
		ends[i] = n
	}
	if ends[0] > ends[1] || ends[1] > ends[2] {
		return nil, fmt.Errorf("%d is behind %d", ends[0], ends[1])
	}
	if s, ok := whole.(string); ok {
		return s[ends[0]:ends[1]], nil
	}
	return whole.([]Turn)[ends[0]:ends[1]:ends[2]], nil
}

// equal reports whether the first argument equals one of the others.
func equal(args []any) (any, error) {
	for _, v := range args[1:] {
		same, err := alike(args[0], v)
		if err != nil || same {
			return same, err
		}
	}
	return false, nil
}

func negated(is any, err error) (any, error) {
	same, _ := is.(bool)
	return !same, err
}

// alike reports whether a equals b, which must be of one kind.
func alike(a, b any) (bool, error) {
	a, b = widened(a), widened(b)
	if a == nil || b == nil {
		return a == nil && b == nil, nil
	}
	if kindOf(a) != kindOf(b) {
		return false, fmt.Errorf("a %s is not compared with a %s", kindOf(a), kindOf(b))
	}
	switch of := a.(type) {
	case Talk:
		return false, errors.New("conversations are not compared")
	case []Turn:
		if with := b.([]Turn); of == nil || with == nil {
			return of == nil && with == nil, nil
		}
		return false, errors.New("histories are not compared")
	}
	return a == b, nil
}

// order is below 0 where the first of two arguments comes before the second, and above 0 where
// it comes behind it.
func order(args []any) (int, error) {
	a, b := widened(args[0]), widened(args[1])
	switch a := a.(type) {
	case int:
		if b, ok := b.(int); ok {
			return cmp.Compare(a, b), nil
		}
	case float64:
		if b, ok := b.(float64); ok {
			return cmp.Compare(a, b), nil
		}
	case string:
		if b, ok := b.(string); ok {
			return cmp.Compare(a, b), nil
		}
	}
	return 0, fmt.Errorf("a %s does not come before or behind a %s", kindOf(a), kindOf(b))
}

// widened is a byte of a string as the number that it is.
func widened(v any) any {
	if b, ok := v.(uint8); ok {
		return int(b)
	}
	return v
}
