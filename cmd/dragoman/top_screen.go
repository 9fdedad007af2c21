package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dragoman-gateway/dragoman/admin"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
)

// Sizes of what is shown.
const (
	topWide  = 160 // where there is no terminal
	topTall  = 200
	topEnded = 20 // exchanges that are remembered
	topLeast = 4  // lines of exchanges that are shown where there are so many, whatever the channels want
)

// lines are what is shown at now in a room of wide columns and tall lines; none is longer, and
// there are no more.
func (v *topView) lines(now time.Time, wide, tall int) []string {
	o := &v.overview
	head := []string{
		fmt.Sprintf("dragoman  %s   up %s   revision %d   %s", v.address, spanOf(time.Duration(o.Uptime)*time.Second), o.Revision, now.Format("15:04:05")),
		v.sentence(now), "",
		fmt.Sprintf("questions  %s/s   running %d   streams %d   sockets %d   connections %d", three(o.Lately.Questions), o.Running, o.Streams, o.Sockets, o.Connections),
		fmt.Sprintf("failed     client %s   us %s   channel %s   network %s", partOf(o.Lately.Failed.Client), partOf(o.Lately.Failed.Us), partOf(o.Lately.Failed.Channel), partOf(o.Lately.Failed.Network)),
		fmt.Sprintf("added      p50 %s   p99 %s   first content   p50 %s   p99 %s", lasted(o.Lately.Added.P50), lasted(o.Lately.Added.P99), lasted(o.Lately.First.P50), lasted(o.Lately.First.P99)),
		fmt.Sprintf("tokens     in %s/s   out %s/s   cost today %s", three(o.Lately.Input), three(o.Lately.Output), three(o.Cost)),
		"15 min     " + v.sparks(now, min(60, wide-32)), "",
	}
	rows := v.rows()
	ended := v.endings()
	left := max(tall-len(head)-3, 2) // for rows and endings, behind their two headings and a blank line
	most := max(left-min(len(ended), topLeast), 1)
	shown := fitting(rows, most)
	ended = ended[:max(min(len(ended), left-len(shown)), 0)]
	all := append(head, fmt.Sprintf("%-22s %-10s %6s %9s %7s %6s %8s", "CHANNEL", "STATE", "WAIT", "IN FLIGHT", "WAITING", "WEIGHT", "FIRST"))
	all = append(all, shown...)
	all = append(all, "", fmt.Sprintf("%-8s %-9s %-12s %-14s %-12s %8s  %s", "ENDED", "FRONT", "CALLER", "MODEL", "CHANNEL", "TOOK", "OUTCOME"))
	all = append(all, ended...)
	all = all[:min(len(all), tall)]
	for i := range all {
		all[i] = clipTo(all[i], wide)
	}
	return all
}

// sentence says in words how things are.
func (v *topView) sentence(now time.Time) string {
	o := &v.overview
	if v.gone != nil {
		return fmt.Sprintf("THE GATEWAY IS GONE for %s (%v): trying again. The figures are the last ones.", spanOf(now.Sub(v.since)), v.gone)
	}
	if o.Draining {
		return fmt.Sprintf("It stops: %d answers still run.", o.Running)
	}
	for i := range v.channels.Channels {
		c := &v.channels.Channels[i]
		for _, k := range c.Keys {
			for j := range k.Models {
				if m := &k.Models[j]; m.State != "ready" && m.State != "full" && m.State != "slow" {
					return fmt.Sprintf("%d of %d channels are ready. %s: %s", o.Ready, o.Channels, c.ID, why(m))
				}
			}
		}
	}
	if failed := failedBy(&o.Lately.Failed); failed != "" {
		return fmt.Sprintf("Of the questions of the last minute %s. %d of %d channels are ready.", failed, o.Ready, o.Channels)
	}
	return fmt.Sprintf("All well: %s questions/s, %d of %d channels are ready.", three(o.Lately.Questions), o.Ready, o.Channels)
}

// failedBy says how many questions failed for another reason than their client's, and on whose side;
// empty: none did.
func failedBy(f *admin.Origins) string {
	all := f.Us + f.Channel + f.Network
	if all <= 0 {
		return ""
	}
	var sides []string
	for _, side := range []struct {
		name string
		part float64
	}{{"us", f.Us}, {"channel", f.Channel}, {"network", f.Network}} {
		if side.part > 0 {
			sides = append(sides, side.name+" "+partOf(side.part))
		}
	}
	return partOf(all) + " failed (" + strings.Join(sides, ", ") + ")"
}

func why(m *channel.ModelState) string { return cmp.Or(m.Why, m.State) }

// topRow is a line of the channels.
type topRow struct {
	text string
	well bool // nothing is wrong with what it is about
}

// fitting are rows in at most n lines: where there are too many, the last of those go about which
// there is nothing to say, and then the last ones.
func fitting(rows []topRow, n int) (lines []string) {
	over := 0
	if len(rows) > n {
		over = len(rows) - n + 1 // and a line that says so
	}
	left := over
	for i := len(rows) - 1; i >= 0; i-- {
		if left > 0 && rows[i].well {
			left--
			continue
		}
		lines = append(lines, rows[i].text)
	}
	slices.Reverse(lines)
	lines = lines[:len(lines)-left]
	if over > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more", over))
	}
	return lines
}

// rows are a line for each channel, and under it one for each key and model that is not ready.
func (v *topView) rows() (all []topRow) {
	for i := range v.channels.Channels {
		c := &v.channels.Channels[i]
		state, first, below := standing(c)
		flight := strconv.Itoa(c.InFlight)
		if c.Concurrent > 0 {
			flight += "/" + strconv.Itoa(c.Concurrent)
		}
		held := ""
		if c.Forced != "auto" {
			held = "  (" + c.Forced + ")" // by an operator
		}
		well := len(below) == 0 && held == ""
		all = append(all, topRow{fmt.Sprintf("%-22s %-10s %6s %9s %7d %6d %8s%s", clipTo(c.ID, 22), state, "", flight, c.Waiting, c.Weight, first, held), well})
		for _, line := range below {
			all = append(all, topRow{text: line})
		}
	}
	return all
}

// standing is the state of all keys and models of c in a word, the shortest of their averages to
// the first content, and a line for each one that is not ready.
func standing(c *proxy.ChannelState) (state, first string, below []string) {
	ready, total, least := 0, 0, math.Inf(1)
	for _, k := range c.Keys {
		for i := range k.Models {
			m := &k.Models[i]
			total++
			if ms := cmp.Or(m.FirstMs, m.WholeMs); ms > 0 {
				least = min(least, ms)
			}
			if m.State == "ready" {
				ready++
				continue
			}
			wait := ""
			if m.Seconds > 0 {
				wait = fmt.Sprintf("%.0f s", math.Ceil(m.Seconds))
			}
			below = append(below, fmt.Sprintf("  %-20s %-10s %6s  %s", clipTo(fmt.Sprintf("key %d %s", k.Key, m.Model), 20), m.State, wait, m.Why))
		}
	}
	state = "ready"
	if ready < total {
		state = fmt.Sprintf("%d/%d ready", ready, total)
	}
	if !math.IsInf(least, 1) {
		first = lasted(least)
	}
	return state, first, below
}

// endings are a line for each of the newest exchanges that have ended.
func (v *topView) endings() (all []string) {
	for i := range v.ended.Exchanges {
		x := &v.ended.Exchanges[i]
		at, _ := time.Parse(time.RFC3339Nano, x.At)
		outcome := x.Outcome
		if x.Message != "" {
			outcome += ": " + x.Message
		}
		all = append(all, fmt.Sprintf("%-8s %-9s %-12s %-14s %-12s %8s  %s", at.Local().Format("15:04:05"), clipTo(x.Front, 9), clipTo(x.Caller, 12), clipTo(x.Model, 14), clipTo(cmp.Or(x.Channel, "-"), 12), lasted(x.TookMs), outcome))
	}
	return all
}

// sparks draws the questions per second of the last quarter of an hour in so many columns.
func (v *topView) sparks(now time.Time, columns int) string {
	if columns < 1 {
		return ""
	}
	span := journal.Slots * journal.SlotTime
	most, sum := 0.0, make([]float64, columns)
	for _, p := range v.points {
		if at := int(float64(columns) * (1 - float64(now.Sub(p.At))/float64(span))); at >= 0 && at < columns {
			sum[at] = max(sum[at], p.Questions)
			most = max(most, p.Questions)
		}
	}
	steps := []rune(" ▁▂▃▄▅▆▇█")
	var text strings.Builder
	for _, n := range sum {
		text.WriteRune(steps[int(math.Ceil(n/max(most, 1e-9)*float64(len(steps)-1)))])
	}
	return text.String() + "| at most " + three(most) + "/s"
}

// three is n with three significant digits, and its thousands with commas.
func three(n float64) string {
	if n == 0 || math.IsNaN(n) || math.IsInf(n, 0) {
		return "0"
	}
	digits := max(2-int(math.Floor(math.Log10(math.Abs(n)))), 0)
	text := strconv.FormatFloat(n, 'f', digits, 64)
	if digits > 0 {
		return strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// partOf is a part of 1 in percent.
func partOf(share float64) string { return three(share*100) + " %" }

// lasted is a duration in milliseconds: in seconds from one on.
func lasted(ms float64) string {
	switch {
	case ms <= 0:
		return "-"
	case ms < 1000:
		return three(ms) + " ms"
	}
	return three(ms/1000) + " s"
}

// spanOf is d in its two largest units.
func spanOf(d time.Duration) string {
	s := int(d.Seconds())
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return fmt.Sprintf("%d min %d s", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%d h %d min", s/3600, s/60%60)
	}
	return fmt.Sprintf("%d d %d h", s/86400, s/3600%24)
}

// clipTo is text in at most n columns, without what a terminal would obey. What comes from
// clients and back ends may hold anything.
func clipTo(text string, n int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError || r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return -1
		}
		return r
	}, text)
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	runes := []rune(text)
	return string(runes[:max(n-1, 0)]) + "…"
}

// coloured is line with the words of states in their colours.
func coloured(line string) string {
	fields := strings.Fields(line)
	switch {
	case strings.HasPrefix(line, "THE GATEWAY IS GONE"):
		return "\x1b[1;31m" + line + normal
	case !strings.HasPrefix(line, "  key ") || len(fields) < 4:
		return line
	}
	for _, is := range []struct{ state, colour string }{{" open ", "31"}, {" aside ", "31"}, {" trial ", "33"}, {" throttled ", "33"}, {" full ", "33"}, {" slow ", "33"}} {
		if at := strings.Index(line, is.state); at >= 0 {
			end := at + len(is.state)
			return line[:at] + "\x1b[" + is.colour + "m" + line[at:end] + normal + line[end:]
		}
	}
	return line
}
