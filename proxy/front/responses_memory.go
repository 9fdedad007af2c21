package front

import (
	"slices"
	"sync"

	"github.com/dragoman-gateway/dragoman/proxy/front/intake"
	"github.com/dragoman-gateway/dragoman/store"
)

// What one socket remembers of responses that are not stored, at most. The bytes of what two of them
// have in common count for both.
const (
	rememberedLimit = 64
	rememberedBytes = 16 << 20
)

// responsesMemory is what one socket of the responses front remembers: its newest responses that are
// not stored. A nil memory is empty. It is safe for concurrent use.
type responsesMemory struct {
	mu   sync.Mutex
	all  []rememberedResponse // the oldest first
	size int
	held intake.Charge
}

// rememberedResponse is what a question goes on from that names it.
type rememberedResponse struct {
	id, lane string
	heard    []store.Message // its answer is the last one; it is never changed
	size     int
}

// find returns all up to the answer of the response id; ok is false where it is not remembered.
func (m *responsesMemory) find(id string) (heard []store.Message, ok bool) {
	if m == nil || id == "" {
		return nil, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := m.index(id); i >= 0 {
		return m.all[i].heard, true
	}
	return nil, false
}

func (m *responsesMemory) index(id string) int {
	return slices.IndexFunc(m.all, func(r rememberedResponse) bool { return r.id == id })
}

// put remembers a response of a lane, and forgets the oldest ones for which there is no room beside it.
func (m *responsesMemory) put(id, lane string, heard []store.Message) {
	r := rememberedResponse{id: id, lane: lane, heard: heard}
	for i := range heard {
		r.size += intake.BytesOf(&heard[i].Message)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(m.index(id))
	m.all = append(m.all, r)
	m.size += r.size
	for len(m.all) > rememberedLimit || m.size > rememberedBytes || !m.held.Set(m.size) { // nothing always fits
		m.drop(0)
	}
}

// evict forgets the response id because a question of a lane that goes on from it has failed, unless it is
// another lane's.
func (m *responsesMemory) evict(id, lane string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := m.index(id); i >= 0 && m.all[i].lane == lane {
		m.drop(i)
		m.held.Set(m.size)
	}
}

// drop forgets the ith response, if i is not negative; the caller holds the lock.
func (m *responsesMemory) drop(i int) {
	if i < 0 {
		return
	}
	m.size -= m.all[i].size
	m.all = slices.Delete(m.all, i, i+1)
}

// release forgets everything.
func (m *responsesMemory) release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all, m.size = nil, 0
	m.held.Release()
}
