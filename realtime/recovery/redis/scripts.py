"""What Redis does in one step. Needs Redis 6.2."""

#: Which of two ids is later, and which of a room's events was the last.
_BEFORE = """
local function is_later(a, b)
  local a_ms, a_seq = string.match(a, '(%d+)-(%d+)')
  local b_ms, b_seq = string.match(b, '(%d+)-(%d+)')
  if a_ms ~= b_ms then return tonumber(a_ms) > tonumber(b_ms) end
  return tonumber(a_seq) > tonumber(b_seq)
end
local function last_of(logged, values)
  local retained = redis.call('HGET', values, '')
  return retained and is_later(retained, logged) and retained or logged
end
"""

#: The id of an event; KEYS[1] is the head.
_NEXT = """
local time = redis.call('TIME')
local ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local seq = 0
local last = redis.call('GET', KEYS[1])
if last then
  local last_ms, last_seq = string.match(last, '(%d+)-(%d+)')
  if ms <= tonumber(last_ms) then
    ms, seq = tonumber(last_ms), tonumber(last_seq) + 1
  end
end
local id = string.format('%.0f-%d', ms, seq)
"""

#: Logs an event in the streams of its rooms, and tells those who hear them: one round trip.
#:
#: KEYS: the head of the namespace's order, a stream for each room, then their values. ARGV: most
#: events, the milliseconds that the head is kept, most bytes, the event's tag, "1" for a second
#: try, the event, a channel for each stream, then the milliseconds that its entries are kept.
#: Returns the event's id.
#:
#: Ids rise over all streams of a namespace, whatever the clock does: a client that has everything
#: up to one of them is told from another by it alone. An entry knows the one before it in its
#: stream, so that a hearer sees that it missed one, and a client that the log does not reach back.
LOG = f"""
{_BEFORE}
local rooms = (#KEYS - 1) / 2
if ARGV[5] == '1' then
  local said = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1000)
  for _, entry in ipairs(said) do
    if entry[2][4] == ARGV[4] then return entry[1] end
  end
end
{_NEXT}
local most, bytes = tonumber(ARGV[1]), tonumber(ARGV[3])
redis.call('SET', KEYS[1], id, 'PX', ARGV[2])
for i = 2, 1 + rooms do
  local stream, lasts = KEYS[i], ARGV[5 + rooms + i]
  local oldest = string.format('%.0f', ms - tonumber(lasts))
  local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  local before = newest and newest[1] or '0-0'
  redis.call('XADD', stream, id, 'p', before, 't', ARGV[4], 'b', ARGV[6])
  redis.call('XTRIM', stream, 'MAXLEN', most > 1000 and '~' or '=', most)
  redis.call('XTRIM', stream, 'MINID', '~', oldest)
  if ms % 16 == 0 or #ARGV[6] * 16 > bytes then
    local used, length = redis.call('MEMORY', 'USAGE', stream), redis.call('XLEN', stream)
    if used > bytes and length > 1 then
      local kept = math.max(1, math.floor(length * bytes / used * 0.9))
      redis.call('XTRIM', stream, 'MAXLEN', '=', kept)
    end
  end
  redis.call('PEXPIRE', stream, lasts)
  local told = last_of(before, KEYS[i + rooms])
  redis.call('PUBLISH', ARGV[5 + i], id .. ' ' .. told .. ' ' .. ARGV[6])
end
return id
"""

#: Has the newest value of a key, in place of the one before, and tells those who hear its rooms.
#:
#: KEYS: the head, a stream for each room, then their values, then their ages. ARGV: most values,
#: the milliseconds that the head is kept, most bytes, the event's tag, "1" for a second try, the
#: event, the field, a channel for each room, then the milliseconds that each room keeps its values.
#: Returns the event's id. The field "" of the values has the id of the last of them, "-" that of
#: the last one that was dropped for lack of room.
RETAIN = f"""
{_BEFORE}
local rooms = (#KEYS - 1) / 3
if ARGV[5] == '1' then
  local said = redis.call('HGET', KEYS[2 + rooms], ARGV[7])
  if said then
    local id, tag = string.match(said, '^(%S+) (%S+) ')
    if tag == ARGV[4] then return id end
  end
end
{_NEXT}
local most, bytes = tonumber(ARGV[1]), tonumber(ARGV[3])
redis.call('SET', KEYS[1], id, 'PX', ARGV[2])
for i = 2, 1 + rooms do
  local stream, values, ages = KEYS[i], KEYS[i + rooms], KEYS[i + 2 * rooms]
  local lasts = ARGV[6 + rooms + i]
  local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  local told = last_of(newest and newest[1] or '0-0', values)
  redis.call('HSET', values, ARGV[7], id .. ' ' .. ARGV[4] .. ' ' .. ARGV[6], '', id)
  redis.call('ZADD', ages, ms, ARGV[7])
  local old = string.format('%.0f', ms - tonumber(lasts))
  for _, field in ipairs(redis.call('ZRANGEBYSCORE', ages, '-inf', old, 'LIMIT', 0, 100)) do
    redis.call('HDEL', values, field)
    redis.call('ZREM', ages, field)
  end
  local length = redis.call('ZCARD', ages)
  local excess = length - most
  if ms % 16 == 0 or #ARGV[6] * 16 > bytes then
    local used = redis.call('MEMORY', 'USAGE', values)
    if used > bytes then
      excess = math.max(excess, length - math.max(1, math.floor(length * bytes / used * 0.9)))
    end
  end
  if excess > 0 then
    local popped = redis.call('ZPOPMIN', ages, excess)
    local dropped = redis.call('HGET', values, '-') or '0-0'
    for j = 1, #popped, 2 do
      local gone = string.match(redis.call('HGET', values, popped[j]), '^(%S+)')
      if is_later(gone, dropped) then dropped = gone end
      redis.call('HDEL', values, popped[j])
    end
    redis.call('HSET', values, '-', dropped)
  end
  redis.call('PEXPIRE', values, lasts)
  redis.call('PEXPIRE', ages, lasts)
  redis.call('PUBLISH', ARGV[6 + i], id .. ' ' .. told .. ' ' .. ARGV[6])
end
return id
"""

#: What was logged since. KEYS: the head, streams, then the values of each. ARGV: most entries of
#: each, then the ids after which they are wanted, then those after which values are. Returns the
#: head, the entries of each stream, and the values of each, as fields and values in turn.
SINCE = f"""
{_BEFORE}
local found, values = {{}}, {{}}
local rooms = (#KEYS - 1) / 2
for i = 2, 1 + rooms do
  found[i - 1] = redis.call('XRANGE', KEYS[i], '(' .. ARGV[i], '+', 'COUNT', ARGV[1])
  local changed = {{}}
  local last = redis.call('HGET', KEYS[i + rooms], '')
  if last and is_later(last, ARGV[i + rooms]) then
    changed = redis.call('HGETALL', KEYS[i + rooms])
  end
  values[i - 1] = changed
end
return {{redis.call('GET', KEYS[1]) or '', found, values}}
"""

#: What newcomers get. KEYS: streams, then the values of each. ARGV: for each stream the most
#: entries, then for each the id after which they are wanted. Returns the newest entries of each
#: stream, the last one first, and the values of each, as above.
PAST = """
local found, values = {}, {}
local rooms = #KEYS / 2
for i = 1, rooms do
  found[i] = {}
  if tonumber(ARGV[i]) > 0 then
    found[i] = redis.call('XREVRANGE', KEYS[i], '+', '(' .. ARGV[i + rooms], 'COUNT', ARGV[i])
  end
  values[i] = redis.call('HGETALL', KEYS[i + rooms])
end
return {found, values}
"""

#: Takes a session for a client that came back. KEYS: the session, the changes. ARGV: namespace,
#: user, the new holder and its node, the holder that it may be taken from, milliseconds until it
#: expires, the offset with which the client came, and the most changes. Returns its state, its
#: floor, the offset of a try before, up to where events were lost, and what operations did since it
#: was written.
TAKE = (
    _BEFORE
    + """
local found = redis.call('HMGET', KEYS[1], 'namespace', 'user', 'free', 'holder', 'node',
  'state', 'floor', 'tried', 'lost', 'before', 'changes')
if not found[1] or found[1] ~= ARGV[1] then return {'unknown'} end
if found[2] ~= ARGV[2] then return {'user'} end
local tried = found[8] or ''
if found[4] == ARGV[3] then
  tried = found[10] or ''
elseif found[3] ~= '1' and found[4] ~= ARGV[5] then
  return {'held', found[5], found[4]}
end
local known = found[11] or '0-0'
local changes = redis.call('XRANGE', KEYS[2], '(' .. known, '+')
local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
if oldest and is_later(oldest[1], known) and redis.call('XLEN', KEYS[2]) >= tonumber(ARGV[8]) then
  return {'unsure'}
end
redis.call('HSET', KEYS[1], 'free', '0', 'holder', ARGV[3], 'node', ARGV[4], 'tried', ARGV[7],
  'before', tried)
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return {'taken', found[6], found[7] or '0', tried, found[9] or '', changes}
"""
)

#: Writes a session, unless another has it. KEYS: the session, the head, the changes. ARGV: holder,
#: node, whether it is free for its client to come back ("1"), namespace, user, state, floor, the
#: milliseconds that it lasts, the offset of a try, and "1" if it was written before. If it is gone
#: then, so may be events of its rooms, up to now.
KEEP = f"""
local holder = redis.call('HGET', KEYS[1], 'holder')
if holder and holder ~= ARGV[1] then return 0 end
if not holder and ARGV[10] == '1' then
  local session = KEYS[1]
  do
    local KEYS = {{KEYS[2]}}
    {_NEXT}
    redis.call('HSET', session, 'lost', id)
  end
end
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'node', ARGV[2], 'free', ARGV[3],
  'namespace', ARGV[4], 'user', ARGV[5], 'state', ARGV[6], 'floor', ARGV[7],
  'tried', ARGV[9])
local newest = redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 1)[1]
redis.call('HSET', KEYS[1], 'changes', newest and newest[1] or '0-0')
redis.call('PEXPIRE', KEYS[1], ARGV[8])
return 1
"""

#: Remembers what an operation did. KEYS: the changes. ARGV: the most of them, the milliseconds that
#: they last, and the change.
CHANGE = """
redis.call('XADD', KEYS[1], 'MAXLEN', '=', ARGV[1], '*', 'b', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""

#: Lets a session last. KEYS: the session. ARGV: holder, floor, milliseconds. Returns 1, 0 where it
#: has to be written again, and -1 where another has it.
REFRESH = """
local holder = redis.call('HGET', KEYS[1], 'holder')
if not holder then return 0 end
if holder ~= ARGV[1] then return -1 end
redis.call('HSET', KEYS[1], 'floor', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""

#: Forgets a session. KEYS: the session. ARGV: the holder.
DROP = """
if redis.call('HGET', KEYS[1], 'holder') == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""
