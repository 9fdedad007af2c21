package main

import (
	"fmt"
	"math"
)

// Load is what clients ask. Conversations, if it is not 0, stands for Streams.
type Load struct {
	Streams       float64 // answers that run at once
	Conversations float64 // a day
	Sockets       float64 // that are open and idle
	Kept          float64 // share of questions whose conversation is kept here
}

// Machine is what a replica has, what a question costs, and what the servers take.
type Machine struct {
	Cores, MiB float64 // of a replica

	Event, Question float64 // CPU time, µs
	Stream, Socket  float64 // memory, KiB
	Talk            float64 // memory of a stream whose conversation is kept here, KiB
	Base            float64 // memory of a replica under load without any, MiB

	Turns float64 // that a database stores a second
	Calls float64 // that a Redis or Valkey answers a second

	Events   float64 // of a stream, a second
	Seconds  float64 // that an answer takes
	TurnsOf  float64 // a conversation
	Peak     float64 // the busiest hour beside the mean of the day
	Full     float64 // share of cores and memory that is to be used
	PerTurn  float64 // round trips to the database
	PerAsked float64 // calls of Redis for a question
}

// Usual are the costs as they were measured, and assumptions that docs/scaling.md explains.
var Usual = Machine{
	Cores: 2, MiB: 1024,
	Event: 26, Question: 60, Stream: 20, Socket: 10, Talk: 54, Base: 85,
	Turns: 2000, Calls: 60_000,
	Events: 30, Seconds: 15, TurnsOf: 4, Peak: 3, Full: 0.7, PerTurn: 3, PerAsked: 2,
}

// Size is what a load takes.
type Size struct {
	Streams, Asked    float64 // at once, and questions a second
	Cores, MiB        float64 // of all replicas together, as used
	Replicas          int
	Turns, Trips      float64 // a second
	Databases         int     // that would each have to take a part of the turns; 0: none is needed
	Calls             float64 // a second
	Servers           int
	First             string // what fills first
	byCores, byMemory int
}

// Of returns what l takes.
func (m Machine) Of(l Load) Size {
	s := Size{Streams: l.Streams}
	if l.Conversations > 0 {
		s.Asked = l.Conversations * m.TurnsOf / 86_400 * m.Peak
		s.Streams = s.Asked * m.Seconds
	} else {
		s.Asked = s.Streams / m.Seconds
	}
	s.Cores = (s.Streams*m.Events*m.Event + s.Asked*m.Question) / 1e6
	s.MiB = (s.Streams*(l.Kept*m.Talk+(1-l.Kept)*m.Stream) + l.Sockets*m.Socket) / 1024
	s.byCores = up(s.Cores / (m.Cores * m.Full))
	s.byMemory = up(s.MiB / (m.MiB*m.Full - m.Base))
	// One more than are needed, so that one may fail or be replaced; two at least.
	s.Replicas = max(1, s.byCores, s.byMemory) + 1
	s.Turns = s.Asked * l.Kept
	s.Trips = s.Turns * m.PerTurn
	if s.Turns > 0 {
		s.Databases = up(s.Turns / (m.Turns * m.Full))
	}
	s.Calls = s.Asked * m.PerAsked
	s.Servers = max(1, up(s.Calls/(m.Calls*m.Full)))
	s.First = s.first()
	return s
}

// first names what fills first.
func (s *Size) first() string {
	switch {
	case s.Databases > 1:
		return "the database"
	case s.Servers > 1:
		return "the shared server"
	case s.byMemory > s.byCores:
		return "memory"
	}
	return "CPU time"
}

func up(n float64) int { return int(math.Ceil(n - 1e-9)) }

// Head is the head of the table.
const Head = "| load | streams | questions/s | cores in use | memory of streams and sockets | replicas | turns/s | databases | Redis calls/s | first to fill |\n" +
	"|---|---|---|---|---|---|---|---|---|---|\n"

// Row is the row of l, which is called name.
func (m Machine) Row(name string, l Load) string {
	s := m.Of(l)
	return fmt.Sprintf("| %s | %s | %s | %.1f | %s | %d | %s | %d | %s | %s |\n",
		name, whole(s.Streams), whole(s.Asked), s.Cores, memory(s.MiB), s.Replicas, whole(s.Turns), s.Databases, whole(s.Calls), s.First)
}

// whole is a number with commas and no fraction.
func whole(n float64) string {
	text := fmt.Sprintf("%.0f", n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func memory(mib float64) string {
	if mib < 1024 {
		return whole(mib) + " MiB"
	}
	return fmt.Sprintf("%.1f GiB", mib/1024)
}
