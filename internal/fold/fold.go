// Package fold makes one message out of a conversation, by a template in the language of
// text/template. It executes templates by itself: text/template calls methods whose names the
// linker cannot know, so that whatever uses it keeps every exported method of the program. What
// a template sees here, a [Talk], has no methods.
package fold

import (
	"fmt"
	"io"
	"strings"
	"text/template/parse"
)

// Talk is what a template sees.
type Talk struct {
	System  string
	History []Turn
	Message string
}

// Turn is one message of the history.
type Turn struct{ Role, Text string }

// main is the name of the template that a text is, beside those that it defines.
const main = "fold"

// Template is a parsed template. It is immutable, and safe for concurrent use.
type Template struct{ trees map[string]*parse.Tree }

// Parse parses text, which may use everything of the language of text/template and its
// functions but call, since nothing that a template sees can be called. The error says
// where text is wrong.
func Parse(text string) (*Template, error) {
	names := map[string]any{"and": true, "or": true}
	for name := range functions {
		names[name] = true
	}
	trees, err := parse.Parse(main, text, "", "", names)
	if err != nil {
		return nil, err
	}
	return &Template{trees}, nil
}

// Execute writes what t makes of talk to w. The error says what the template cannot do and
// where, or is that of w.
func (t *Template) Execute(w io.Writer, talk Talk) error {
	r := &run{t: t, w: w}
	return r.template(main, talk)
}

// deepest is how many templates may stand in each other.
const deepest = 1000

// run is one execution.
type run struct {
	t     *Template
	w     io.Writer
	tree  *parse.Tree // whose nodes are executed
	vars  []variable  // in reach, the innermost last
	depth int
}

type variable struct {
	name  string
	value any
}

// flow is how execution goes on behind a node.
type flow uint8

const (
	onward flow = iota
	nextRound
	endOfLoop
)

// wrong is an error at n.
func (r *run) wrong(n parse.Node, format string, args ...any) error {
	at, context := r.tree.ErrorContext(n)
	return fmt.Errorf("template: %s: executing %q at <%s>: %w", at, r.tree.Name, context, fmt.Errorf(format, args...))
}

// template executes the template called name over dot.
func (r *run) template(name string, dot any) error {
	tree := r.t.trees[name]
	if tree == nil || tree.Root == nil {
		return fmt.Errorf("template %q is not defined", name)
	}
	inner := run{t: r.t, w: r.w, tree: tree, vars: []variable{{"$", dot}}, depth: r.depth + 1}
	_, err := inner.walk(dot, tree.Root)
	return err
}

// walk executes n over dot.
func (r *run) walk(dot any, n parse.Node) (flow, error) {
	switch n := n.(type) {
	case *parse.TextNode:
		_, err := r.w.Write(n.Text)
		return onward, err
	case *parse.ListNode:
		return r.list(dot, n)
	case *parse.ActionNode:
		v, err := r.pipe(dot, n.Pipe)
		if err == nil && len(n.Pipe.Decl) == 0 {
			_, err = r.w.Write([]byte(printed(v)))
		}
		return onward, err
	case *parse.IfNode:
		return r.branch(dot, &n.BranchNode)
	case *parse.WithNode:
		return r.branch(dot, &n.BranchNode)
	case *parse.RangeNode:
		return r.loop(dot, n)
	case *parse.BreakNode:
		return endOfLoop, nil
	case *parse.ContinueNode:
		return nextRound, nil
	case *parse.TemplateNode:
		return onward, r.call(dot, n)
	case *parse.CommentNode:
		return onward, nil
	}
	return onward, r.wrong(n, "this is not known here")
}

func (r *run) list(dot any, n *parse.ListNode) (flow, error) {
	for _, one := range n.Nodes {
		if to, err := r.walk(dot, one); err != nil || to != onward {
			return to, err
		}
	}
	return onward, nil
}

// call executes the template that n names.
func (r *run) call(dot any, n *parse.TemplateNode) error {
	if r.t.trees[n.Name] == nil {
		return r.wrong(n, "template %q is not defined", n.Name)
	}
	if r.depth >= deepest {
		return r.wrong(n, "more than %d templates stand in each other", deepest)
	}
	if n.Pipe == nil {
		return r.template(n.Name, nil)
	}
	with, err := r.pipe(dot, n.Pipe)
	if err != nil {
		return err
	}
	return r.template(n.Name, with)
}

// branch executes what stands in if or with.
func (r *run) branch(dot any, n *parse.BranchNode) (flow, error) {
	defer r.scope()()
	v, err := r.pipe(dot, n.Pipe)
	switch {
	case err != nil:
		return onward, err
	case truth(v) && n.NodeType == parse.NodeWith:
		return r.walk(v, n.List)
	case truth(v):
		return r.walk(dot, n.List)
	case n.ElseList != nil:
		return r.walk(dot, n.ElseList)
	}
	return onward, nil
}

// loop executes what stands in range.
func (r *run) loop(dot any, n *parse.RangeNode) (flow, error) {
	defer r.scope()()
	over, err := r.pipe(dot, n.Pipe)
	if err != nil {
		return onward, err
	}
	rounds := 0
	switch over := over.(type) {
	case nil:
	case []Turn:
		rounds = len(over)
	case int:
		if len(n.Pipe.Decl) > 1 {
			return onward, r.wrong(n.Pipe, "a number goes over one variable, not over two")
		}
		rounds = over
	default:
		return onward, r.wrong(n.Pipe, "range goes over no %T", over)
	}
	if rounds <= 0 && n.ElseList != nil {
		return r.walk(dot, n.ElseList)
	}
	base := len(r.vars)
	for i := range max(rounds, 0) {
		r.vars = r.vars[:base]
		to, err := r.round(n, over, i)
		if err != nil {
			return onward, err
		}
		if to == endOfLoop {
			break
		}
	}
	return onward, nil
}

// round is the round number i of a loop.
func (r *run) round(n *parse.RangeNode, over any, i int) (flow, error) {
	var dot any = i
	if turns, ok := over.([]Turn); ok {
		dot = turns[i]
	}
	declared := n.Pipe.Decl
	for k, v := range declared {
		value := dot
		if k == 0 && len(declared) == 2 {
			value = i
		}
		if err := r.declare(v, value, n.Pipe.IsAssign); err != nil {
			return onward, err
		}
	}
	return r.walk(dot, n.List)
}

// scope returns a function that forgets the variables that were declared since.
func (r *run) scope() func() {
	n := len(r.vars)
	return func() { r.vars = r.vars[:n] }
}

// declare gives the variable of v a value: a new one, or if assign one that is there.
func (r *run) declare(v *parse.VariableNode, value any, assign bool) error {
	if !assign {
		r.vars = append(r.vars, variable{v.Ident[0], value})
		return nil
	}
	at, err := r.variable(v)
	if err == nil {
		at.value = value
	}
	return err
}

// variable is the innermost one that v names.
func (r *run) variable(v *parse.VariableNode) (*variable, error) {
	for i := len(r.vars) - 1; i >= 0; i-- {
		if r.vars[i].name == v.Ident[0] {
			return &r.vars[i], nil
		}
	}
	return nil, r.wrong(v, "there is no variable %s", v.Ident[0])
}

// printed is v as a template writes it.
func printed(v any) string {
	if v == nil {
		return "<no value>"
	}
	return fmt.Sprint(v)
}

// truth reports whether v is what if takes for true: it is neither false, zero, empty nor nothing.
func truth(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case []Turn:
		return len(v) > 0
	case int:
		return v != 0
	case uint8:
		return v != 0
	case float64:
		return v != 0
	case complex128:
		return v != 0
	}
	return true
}

// field is the member of v that name is.
func field(v any, name string) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, fmt.Errorf("nothing has no field %s", name)
	case Talk:
		switch name {
		case "System":
			return v.System, nil
		case "History":
			return v.History, nil
		case "Message":
			return v.Message, nil
		}
		return nil, fmt.Errorf("there is no field %s: there are System, History and Message", name)
	case Turn:
		switch name {
		case "Role":
			return v.Role, nil
		case "Text":
			return v.Text, nil
		}
		return nil, fmt.Errorf("there is no field %s: a message of the history has Role and Text", name)
	}
	return nil, fmt.Errorf("there is no field %s in a %s", name, kindOf(v))
}

// kindOf names the kind of v in an error.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "nil"
	case Talk:
		return "conversation"
	case Turn:
		return "message"
	case []Turn:
		return "history"
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", v), "fold.")
}
