package fold

import (
	"strings"
	"text/template/parse"
)

// pipe is the value of n over dot; it gives the variables that n declares their value.
func (r *run) pipe(dot any, n *parse.PipeNode) (value any, err error) {
	if n == nil {
		return nil, nil
	}
	for i, cmd := range n.Cmds {
		var piped []any // the value of the command before
		if i > 0 {
			piped = []any{value}
		}
		if value, err = r.command(dot, cmd, piped); err != nil {
			return nil, err
		}
	}
	if len(n.Decl) == 1 {
		return value, r.declare(n.Decl[0], value, n.IsAssign)
	}
	return value, nil // a range declares its two by itself
}

// command is the value of one command of a pipe.
func (r *run) command(dot any, cmd *parse.CommandNode, piped []any) (any, error) {
	first := cmd.Args[0]
	if name, ok := first.(*parse.IdentifierNode); ok {
		return r.function(dot, cmd, name, piped)
	}
	if len(cmd.Args) > 1 || len(piped) > 0 {
		return nil, r.wrong(first, "%s is no function, and takes no arguments", first)
	}
	if _, ok := first.(*parse.NilNode); ok {
		return nil, r.wrong(first, "nil is no command")
	}
	return r.value(dot, first)
}

// value is that of n as an argument or a command without arguments.
func (r *run) value(dot any, n parse.Node) (any, error) {
	switch n := n.(type) {
	case *parse.DotNode:
		return dot, nil
	case *parse.NilNode:
		return nil, nil
	case *parse.BoolNode:
		return n.True, nil
	case *parse.StringNode:
		return n.Text, nil
	case *parse.NumberNode:
		return r.number(n)
	case *parse.FieldNode:
		return r.fields(n, dot, n.Ident)
	case *parse.VariableNode:
		at, err := r.variable(n)
		if err != nil {
			return nil, err
		}
		return r.fields(n, at.value, n.Ident[1:])
	case *parse.ChainNode:
		v, err := r.value(dot, n.Node)
		if err != nil {
			return nil, err
		}
		return r.fields(n, v, n.Field)
	case *parse.PipeNode:
		return r.pipe(dot, n)
	case *parse.IdentifierNode:
		return r.function(dot, &parse.CommandNode{Args: []parse.Node{n}}, n, nil)
	}
	return nil, r.wrong(n, "%s has no value", n)
}

// fields follows names from v on.
func (r *run) fields(n parse.Node, v any, names []string) (any, error) {
	for _, name := range names {
		var err error
		if v, err = field(v, name); err != nil {
			return nil, r.wrong(n, "%w", err)
		}
	}
	return v, nil
}

// number is the value of a constant: the first of int, float and complex that it is written as.
func (r *run) number(n *parse.NumberNode) (any, error) {
	hex := len(n.Text) > 2 && n.Text[0] == '0' && (n.Text[1] == 'x' || n.Text[1] == 'X')
	switch {
	case n.IsComplex:
		return n.Complex128, nil
	case n.IsFloat && n.Text[0] != '\'' && (!hex && strings.ContainsAny(n.Text, ".eE") || hex && strings.ContainsAny(n.Text, ".pP")):
		return n.Float64, nil
	case n.IsInt && int64(int(n.Int64)) == n.Int64:
		return int(n.Int64), nil
	}
	return nil, r.wrong(n, "%s is too large a number", n.Text)
}

// function is what the function of cmd makes of its arguments, of which the value before it in
// the pipe is the last.
func (r *run) function(dot any, cmd *parse.CommandNode, name *parse.IdentifierNode, piped []any) (any, error) {
	if name.Ident == "and" || name.Ident == "or" {
		return r.logic(dot, cmd, name, piped)
	}
	f := functions[name.Ident]
	if f.run == nil {
		return nil, r.wrong(name, "there is no function %s", name.Ident)
	}
	args := make([]any, 0, len(cmd.Args))
	for _, n := range cmd.Args[1:] {
		v, err := r.value(dot, n)
		if err != nil {
			return nil, err
		}
		args = append(args, v)
	}
	args = append(args, piped...)
	if len(args) < f.least || f.most > 0 && len(args) > f.most {
		return nil, r.wrong(name, "%s does not take %d arguments", name.Ident, len(args))
	}
	v, err := f.run(args)
	if err != nil {
		return nil, r.wrong(name, "%s: %w", name.Ident, err)
	}
	return v, nil
}

// logic is the first argument that decides and, or or; else the last. Those behind it are not
// looked at.
func (r *run) logic(dot any, cmd *parse.CommandNode, name *parse.IdentifierNode, piped []any) (v any, err error) {
	args := cmd.Args[1:]
	if len(args)+len(piped) == 0 {
		return nil, r.wrong(name, "%s does not take 0 arguments", name.Ident)
	}
	for _, n := range args {
		if v, err = r.value(dot, n); err != nil || truth(v) == (name.Ident == "or") {
			return v, err
		}
	}
	for _, v = range piped {
	}
	return v, nil
}
