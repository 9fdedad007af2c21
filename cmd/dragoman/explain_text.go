package main

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"github.com/dragoman-gateway/dragoman/proxy"
)

// printExplanation writes e for a person.
func printExplanation(w io.Writer, e *proxy.Explanation) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if e.ID != "" {
		fmt.Fprintf(t, "request\t%s\nasked\t%s\n", e.ID, e.At)
	}
	fmt.Fprintf(t, "caller\t%s\n", e.Caller)
	for _, l := range [][2]string{{"limits", e.Limits}, {"front", e.Front}, {"endpoint", e.Endpoint}, {"preset", e.Preset}} {
		if l[1] != "" {
			fmt.Fprintf(t, "%s\t%s\n", l[0], l[1])
		}
	}
	fmt.Fprintf(t, "model\t%s\nbalance\t%s\n", e.Model, e.Policy)
	switch {
	case e.Verdict != "":
		fmt.Fprintf(t, "verdict\t%s\n", e.Verdict)
	case e.Message != "":
		fmt.Fprintf(t, "outcome\t%s: %s\n", e.Outcome, e.Message)
	case e.State == "running":
		fmt.Fprintf(t, "outcome\tit runs still\n")
	default:
		fmt.Fprintf(t, "outcome\t%s\n", e.Outcome)
	}
	if e.Retry > 0 {
		fmt.Fprintf(t, "come back in\t%g s\n", e.Retry)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := printCandidates(w, e); err != nil {
		return err
	}
	if err := printAttempts(w, e); err != nil || e.Ledger == nil {
		return err
	}
	l := e.Ledger
	if _, err := fmt.Fprintf(w, "\nTime, ms: queue %g, room %g, failed attempts %g, connect %g, headers %g, first content %g, stream %g; total %g\n",
		l.Queue, l.Room, l.Failed, l.Connect, l.Headers, l.First, l.Stream, l.Total); err != nil {
		return err
	}
	return printSame(w, e)
}

// printSame lists the exchanges that have the id of e, if there are others.
func printSame(w io.Writer, e *proxy.Explanation) error {
	if len(e.Same) == 0 {
		return nil
	}
	fmt.Fprintf(w, "\n%d exchanges have this id, which clients choose; --nth N shows another one:\n", len(e.Same))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  n\tasked\tcaller\tfront\tmodel\toutcome")
	for _, s := range e.Same {
		fmt.Fprintf(t, "  %d\t%s\t%s\t%s\t%s\t%s\n", s.N, s.At, s.Caller, s.Front, s.Model, cmp.Or(s.Outcome, s.State))
	}
	return t.Flush()
}

func printCandidates(w io.Writer, e *proxy.Explanation) error {
	fmt.Fprintln(w, "\nCandidates:")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  channel\tkey\tmodel\ttier\tweight\tstate\twhy")
	for _, c := range e.Candidates {
		why := cmp.Or(c.Why, "-")
		switch {
		case c.Share > 0:
			why = strconv.FormatFloat(c.Share*100, 'f', -1, 64) + " % by weight"
		case c.Asked > 0 && c.Why == "":
			why = "asked " + strconv.Itoa(c.Asked) + " x"
		case c.Asked == 0 && c.Why == "" && e.Verdict == "":
			why = "not needed"
		}
		fmt.Fprintf(t, "  %s\t%d\t%s\t%d\t%d\t%s\t%s\n", c.Channel, c.Key, named(c), c.Tier, c.Weight, c.State, why)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return printProxies(w, e)
}

// printProxies says how the candidates are reached of which anything says that.
func printProxies(w io.Writer, e *proxy.Explanation) error {
	told := map[string]bool{}
	for _, c := range e.Candidates {
		if c.Proxy == "" || told[c.Channel] {
			continue
		}
		told[c.Channel] = true
		if _, err := fmt.Fprintf(w, "  %s is reached through %s\n", c.Channel, c.Proxy); err != nil {
			return err
		}
	}
	return nil
}

// named is the model as it was asked for and, if that differs, as the channel calls it.
func named(c proxy.Candidate) string {
	if c.Upstream == c.Model {
		return c.Model
	}
	return c.Model + " = " + c.Upstream
}

func printAttempts(w io.Writer, e *proxy.Explanation) error {
	if len(e.Attempts) == 0 {
		return nil
	}
	fmt.Fprintln(w, "\nAttempts:")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  channel\tkey\tchosen by\tof\tbegan ms\tconnect ms\topen ms\tfirst ms\tresult")
	for _, a := range e.Attempts {
		result := a.Result
		if a.Message != "" {
			result += ": " + a.Message
		}
		if a.LeftBehind > 0 {
			result += fmt.Sprintf(" (%d messages of the conversation stayed behind)", a.LeftBehind)
		}
		fmt.Fprintf(t, "  %s\t%d\t%s\t%d\t%g\t%g\t%g\t%g\t%s\n", a.Channel, a.Key, a.By, a.Among, a.BeganMs, a.ConnectMs, a.OpenMs, a.FirstMs, result)
	}
	return t.Flush()
}
