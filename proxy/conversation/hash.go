package conversation

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Fingerprint is a hash of what was said so far. What the system was told is kept apart,
// each text with its place. Of a conversation that is in the registry its version stands for
// all that was said in it, so that nothing of it has to be read. The zero value is the
// beginning.
type Fingerprint struct {
	system, rest uint64
	n            uint64 // messages in rest
	version      int64  // of the conversation that goes before rest; 0: there is none
}

// After returns f behind a conversation of this version, see [Turn.Version].
func (f Fingerprint) After(version int64) Fingerprint {
	f.version = version
	return f
}

// Foreign returns f as nobody remembers it.
func (f Fingerprint) Foreign() Fingerprint {
	f.rest = 1
	return f
}

// Position names a point of a conversation: whose it is, and what was said so far.
// A remote memory is in sync with exactly one such point, so an edit, a cleared
// conversation or a turn that another channel answered is out of sync by itself.
type Position struct {
	scope uint64
	said  Fingerprint
}

// Hasher makes fingerprints; those of two hashers cannot be compared. It is safe for
// concurrent use.
type Hasher struct{ seed maphash.Seed }

// NewHasher returns a hasher of its own kind.
func NewHasher() Hasher { return Hasher{maphash.MakeSeed()} }

// Position returns the point of the conversation scope that f has reached.
func (h Hasher) Position(scope string, f Fingerprint) Position {
	return Position{scope: maphash.String(h.seed, scope), said: f}
}

// Extend continues f with msgs.
func (h Hasher) Extend(f Fingerprint, msgs []translate.Message) Fingerprint {
	for i := range msgs {
		if msgs[i].Role == translate.RoleSystem {
			f.system = h.sum(f.system, f.n, &msgs[i])
			continue
		}
		f.rest = h.sum(f.rest, 0, &msgs[i])
		f.n++
	}
	return f
}

func (h Hasher) sum(sum, at uint64, msg *translate.Message) uint64 {
	var m maphash.Hash
	m.SetSeed(h.seed)
	var b [17]byte
	binary.LittleEndian.PutUint64(b[:], sum)
	binary.LittleEndian.PutUint64(b[8:], at)
	b[16] = byte(msg.Role)
	_, _ = m.Write(b[:])
	for i := range msg.Parts {
		p := &msg.Parts[i]
		if p.Kind == translate.PartReasoning {
			continue // clients do not send it back
		}
		for _, s := range [...]string{p.Text, p.URL, p.Data, p.ID, p.Name, p.Args} {
			_, _ = m.WriteString(s)
			_ = m.WriteByte(0)
		}
	}
	return m.Sum64()
}
