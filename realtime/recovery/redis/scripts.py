"""What Redis does in one step. Needs Redis 6.2."""

#: Logs an event in the streams of its rooms, and tells those who hear them: one round trip.
#:
#: KEYS: the head of the namespace's order, then a stream for each room. ARGV: most events, the
#: milliseconds that they are kept, most bytes, the event's tag, "1" for a second try, the event,
#: and a channel for each stream. Returns the event's id.
#:
#: Ids rise over all streams of a namespace, whatever the clock does: a client that has everything
#: up to one of them is told from another by it alone. An entry knows the one before it in its
#: stream, so that a hearer sees that it missed one, and a client that the log does not reach back.
LOG = """
if ARGV[5] == '1' then
  local said = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1000)
  for _, entry in ipairs(said) do
    if entry[2][4] == ARGV[4] then return entry[1] end
  end
end
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
local oldest = string.format('%.0f', ms - tonumber(ARGV[2]))
local most, bytes = tonumber(ARGV[1]), tonumber(ARGV[3])
redis.call('SET', KEYS[1], id, 'PX', ARGV[2])
for i = 2, #KEYS do
  local stream = KEYS[i]
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
  redis.call('PEXPIRE', stream, ARGV[2])
  redis.call('PUBLISH', ARGV[5 + i], id .. ' ' .. before .. ' ' .. ARGV[6])
end
return id
"""

#: What was logged since. KEYS: the head, then streams. ARGV: most entries of each, then the ids
#: after which they are wanted. Returns the head, and the entries of each stream.
SINCE = """
local found = {}
for i = 2, #KEYS do
  found[i - 1] = redis.call('XRANGE', KEYS[i], '(' .. ARGV[i], '+', 'COUNT', ARGV[1])
end
return {redis.call('GET', KEYS[1]) or '', found}
"""

#: Takes a session for a client that came back. KEYS: the session. ARGV: namespace, user, the new
#: holder and its node, the holder that it may be taken from, and milliseconds until it expires.
TAKE = """
local found = redis.call('HMGET', KEYS[1], 'namespace', 'user', 'free', 'holder', 'node')
if not found[1] or found[1] ~= ARGV[1] then return {'unknown'} end
if found[2] ~= ARGV[2] then return {'user'} end
if found[3] ~= '1' and found[4] ~= ARGV[5] then return {'held', found[5], found[4]} end
redis.call('HSET', KEYS[1], 'free', '0', 'holder', ARGV[3], 'node', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return {'taken', redis.call('HGET', KEYS[1], 'state'), redis.call('HGET', KEYS[1], 'floor') or '0'}
"""

#: Writes a session, unless another has it. KEYS: the session. ARGV: holder, node, whether it is
#: free for its client to come back ("1"), namespace, user, state, floor, and the milliseconds that
#: it lasts.
KEEP = """
local holder = redis.call('HGET', KEYS[1], 'holder')
if holder and holder ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'node', ARGV[2], 'free', ARGV[3],
  'namespace', ARGV[4], 'user', ARGV[5], 'state', ARGV[6], 'floor', ARGV[7])
redis.call('PEXPIRE', KEYS[1], ARGV[8])
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
