package limiter

// The scripts that count where all processes do. Every count is one hash: the field
// a holds what is used and when that was right, with the limits that it was counted
// under; a field c with the name of a process says how many of its questions run. The
// first key is the set of processes with the second until which each is believed to
// live. Times are whole seconds and nanoseconds apart, since their sum would lose
// digits in a double; the arithmetic is that of meter.
//
// A clock that went back by less than a minute refills nothing twice; after a larger
// step the new time counts.
const scriptCommon = `
local function clock(s, n)
  if s ~= '' then return tonumber(s), tonumber(n) end
  local t = redis.call('TIME')
  return tonumber(t[1]), tonumber(t[2]) * 1000
end
local function load(key, s, n)
  local r = {s = s, n = n, q = 0, t = 0, qn = 0, qp = 1, tn = 0, tp = 1, slots = {}}
  local h = redis.call('HGETALL', key)
  for i = 1, #h, 2 do
    if h[i] == 'a' then
      local as, an
      as, an, r.q, r.t, r.qn, r.qp, r.tn, r.tp = struct.unpack('<dddddddd', h[i + 1])
      local e = (s - as) * 1e9 + (n - an)
      if e < 0 then
        if e > -60e9 then r.s, r.n = as, an end
        e = 0
      end
      if r.q > 0 then r.q = math.max(r.q - e / r.qp * r.qn, 0) end
      if r.t > 0 then r.t = math.max(r.t - e / r.tp * r.tn, 0) end
      r.stored = true
    else
      r.slots[h[i]] = tonumber(h[i + 1])
    end
  end
  return r
end
local function save(key, r)
  redis.call('HSET', key, 'a', struct.pack('<dddddddd', r.s, r.n, r.q, r.t, r.qn, r.qp, r.tn, r.tp))
  local ms = 60000
  if r.qn > 0 then ms = math.max(ms, 60000 + r.q / r.qn * r.qp / 1e6) end
  if r.tn > 0 then ms = math.max(ms, 60000 + r.t / r.tn * r.tp / 1e6) end
  if r.held then ms = math.max(ms, 86400000) end
  redis.call('PEXPIRE', key, string.format('%.0f', math.min(ms, 3e11)))
end
`

// scriptAdmit takes one question's room under all counts or under none. It answers
// with doubles: 1 if it did, then for each count what was left of requests and of
// tokens before, and how many questions ran.
//
// KEYS: processes, counts. ARGV: process, seconds and nanoseconds (empty: the
// server's clock), tokens, seconds of a lease; then for each count requests and their
// nanoseconds, tokens and theirs, how many may run.
const scriptAdmit = scriptCommon + `
local s, n = clock(ARGV[2], ARGV[3])
local pid, want, lease = ARGV[1], tonumber(ARGV[4]), tonumber(ARGV[5])
local alive = {[pid] = true}
local function lives(p)
  if alive[p] == nil then
    local till = redis.call('ZSCORE', KEYS[1], p)
    if till then alive[p] = tonumber(till) > s else alive[p] = 'gone' end
  end
  return alive[p]
end
local recs, out, ok, slots = {}, {}, 1, false
for i = 2, #KEYS do
  local b = 6 + (i - 2) * 5
  local qn, qp, tn, tp, c = tonumber(ARGV[b]), tonumber(ARGV[b + 1]), tonumber(ARGV[b + 2]), tonumber(ARGV[b + 3]), tonumber(ARGV[b + 4])
  local r = load(KEYS[i], s, n)
  if r.qn ~= qn or r.qp ~= qp then
    if qn == 0 or r.qn == 0 then r.q = 0 else r.q = qn - math.min(r.qn - r.q, qn) end
    r.qn, r.qp, r.changed = qn, qp, true
  end
  if r.tn ~= tn or r.tp ~= tp then
    if tn == 0 or r.tn == 0 then r.t = 0 else r.t = r.t / r.tn * tn end
    r.tn, r.tp, r.changed = tn, tp, true
  end
  local left, spare, open = qn - r.q, tn - r.t, 0
  if qn > 0 and (1 - left) * qp / qn >= 0.5 then ok = 0 end
  if tn > 0 and (want - spare) * tp / tn >= 0.5 then ok = 0 end
  for p, k in pairs(r.slots) do
    local l = c > 0 and lives(string.sub(p, 2))
    if l == 'gone' then
      redis.call('HDEL', KEYS[i], p)
    else
      r.held = true
      if l then open = open + k end
    end
  end
  if c > 0 then
    r.counts, slots = true, true
    if open + 1 > c then ok = 0 end
  end
  recs[i] = r
  out[#out + 1] = struct.pack('<ddd', left, spare, open)
end
for i = 2, #KEYS do
  local r = recs[i]
  if ok == 1 then
    if r.qn > 0 then r.q = r.q + 1 end
    if r.tn > 0 then r.t = r.t + want end
    if r.counts then
      redis.call('HINCRBY', KEYS[i], 'c' .. pid, 1)
      r.held = true
    end
    save(KEYS[i], r)
  elseif r.stored and r.changed then
    save(KEYS[i], r)
  end
end
if ok == 1 and slots and not redis.call('ZSCORE', KEYS[1], pid) then
  redis.call('ZADD', KEYS[1], s + lease, pid)
  redis.call('EXPIRE', KEYS[1], 3600)
end
return struct.pack('<d', ok) .. table.concat(out)
`

// scriptSettle gives back what questions held. What has expired meanwhile, or was
// lost with the server's memory, needs nothing.
//
// KEYS: counts. ARGV: seconds, nanoseconds; then for each count the process, the tokens
// that were reserved and those that were used, and 1 for a question that was never there.
const scriptSettle = scriptCommon + `
local s, n = clock(ARGV[1], ARGV[2])
for i = 1, #KEYS do
  local b = 3 + (i - 1) * 4
  local r = load(KEYS[i], s, n)
  local field = 'c' .. ARGV[b]
  local k = r.slots[field]
  if k and k > 1 then
    redis.call('HINCRBY', KEYS[i], field, -1)
  elseif k then
    redis.call('HDEL', KEYS[i], field)
    r.slots[field] = nil
  end
  if r.stored then
    if r.tn > 0 then r.t = math.max(r.t + tonumber(ARGV[b + 2]) - tonumber(ARGV[b + 1]), 0) end
    if ARGV[b + 3] == '1' then r.q = math.max(r.q - 1, 0) end
    r.held = next(r.slots) ~= nil
    save(KEYS[i], r)
  end
end
return ''
`

// scriptMore reserves tokens under all counts or under none. It answers with doubles: 1
// if it did, then for each count what was left.
//
// KEYS: counts. ARGV: seconds, nanoseconds, tokens; then for each count tokens and their
// nanoseconds.
const scriptMore = scriptCommon + `
local s, n = clock(ARGV[1], ARGV[2])
local want, ok, recs, out = tonumber(ARGV[3]), 1, {}, {}
for i = 1, #KEYS do
  local tn, tp = tonumber(ARGV[2 + i * 2]), tonumber(ARGV[3 + i * 2])
  local r = load(KEYS[i], s, n)
  local spare = tn - r.t
  if (want - spare) * tp / tn >= 0.5 then ok = 0 end
  recs[i] = r
  out[i] = struct.pack('<d', spare)
end
for i = 1, #KEYS do
  local r = recs[i]
  if ok == 1 and r.stored then
    r.t = r.t + want
    r.held = next(r.slots) ~= nil
    save(KEYS[i], r)
  end
end
return struct.pack('<d', ok) .. table.concat(out)
`

// scriptBeat says that processes live, and forgets those that have not said so for ten
// minutes. It answers with a double: how many of them were not known.
//
// KEYS: processes. ARGV: seconds, nanoseconds, seconds of a lease, processes.
const scriptBeat = scriptCommon + `
local s = clock(ARGV[1], ARGV[2])
local fresh = 0
for i = 4, #ARGV do
  fresh = fresh + redis.call('ZADD', KEYS[1], s + tonumber(ARGV[3]), ARGV[i])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', s - 600)
redis.call('EXPIRE', KEYS[1], 3600)
return struct.pack('<d', fresh)
`

// scriptLeave ends the life of processes. KEYS: processes. ARGV: processes.
const scriptLeave = `
redis.call('ZREM', KEYS[1], unpack(ARGV))
return ''
`
