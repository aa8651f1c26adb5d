"""What the server does in one step. Sent as text each time: a restarted server knows no hashes."""

from __future__ import annotations

from typing import Final

_STATE: Final = """
local function read()
  local written = redis.pcall('GET', KEYS[1])
  if type(written) ~= 'string' then return nil end
  local born, count, cleared = string.match(written, '^(%d+) (%d+) (%d+)$')
  if not born then return nil end
  return {tonumber(born), tonumber(count), tonumber(cleared)}
end
local function current(above)
  local state = read()
  if state and state[2] >= above then return state end
  local time = redis.call('TIME')
  local number = math.max(tonumber(time[1]) * 1000000 + tonumber(time[2]), above + 1)
  return {number, number, number}
end
local function write(state)
  local text = string.format('%.0f %.0f %.0f', state[1], state[2], state[3])
  redis.call('SET', KEYS[1], text)
  return text
end
"""

BEGIN: Final = (
    "#!lua flags=allow-oom"
    + _STATE
    + """
return write(current(tonumber(ARGV[1])))
"""
)
"""Keys: state. Arguments: the count that the caller knows of. Returns the state, begun anew if it
is lost, or older than what the caller knows: above every number ever given out."""

INVALIDATE: Final = (
    "#!lua flags=allow-oom"
    + _STATE
    + """
local state = current(tonumber(ARGV[1]))
state[2] = state[2] + 1
if #KEYS == 3 then state[3] = state[2] end
local text = write(state)
local number = string.format('%.0f', state[2])
for place = 4, #KEYS do redis.call('SET', KEYS[place], number, 'EX', ARGV[3]) end
local function note()
  return redis.pcall('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], number .. '-0', 'tags', ARGV[2])
end
if type(note()) ~= 'string' then
  redis.call('DEL', KEYS[2])
  note()
end
redis.call('PUBLISH', KEYS[3], 'i ' .. number .. ' ' .. ARGV[2])
return text
"""
)
"""Keys: state, log, bus, and the tags' (none: everything). Arguments: the count that the caller
knows of, the tags as written, the seconds a tag lasts, the length of the log. Returns the state. A
server that is full still takes it: all it writes is bounded."""

LEASE: Final = """#!lua flags=allow-oom
local held = redis.pcall('GET', KEYS[1])
if type(held) == 'string' and string.sub(held, 1, 1) == '@' and redis.call('PTTL', KEYS[1]) > 0 then
  return 0
end
redis.call('SET', KEYS[1], '@' .. ARGV[1], 'PX', ARGV[2])
return 1
"""
"""Keys: the lease. Arguments: token, milliseconds. Returns 1 if it is ours now. A
server that is full still gives it, for it is small and ends soon."""

RENEW: Final = """
if redis.pcall('GET', KEYS[1]) ~= '@' .. ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
"""Keys: the lease. Arguments: token, milliseconds. Returns 1 if it was ours still."""

RELEASE: Final = """#!lua flags=allow-oom
if redis.pcall('GET', KEYS[1]) ~= '@' .. ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[2])
redis.call('PUBLISH', KEYS[2], 'l ' .. ARGV[4] .. ' ' .. ARGV[3])
return 1
"""
"""Keys: the lease, bus. Arguments: token, milliseconds that the ending stays, the ending, the name.
Returns 1 if it was ours still; tells everybody in that case."""
