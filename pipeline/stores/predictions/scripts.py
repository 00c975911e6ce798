"""The server-side scripts: each is one step that happens whole or not at all.

They touch control keys only, which share a slot, and run on Redis 6.2.  Headers are decoded to look at their partition
and never encoded again, since Redis' JSON library would change them.  A script that must work on a full Redis begins
with a write that needs no memory: Redis checks memory at the first write of a script only.
"""

TAKE = """
-- KEYS: token, live   ARGV: highest token known outside Redis
local last = tonumber(redis.call('GET', KEYS[1]) or '0')
local live = tonumber(redis.call('HGET', KEYS[2], 'token') or '0')
local token = string.format('%.0f', math.max(last, live, tonumber(ARGV[1])) + 1)
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], token)
return token
"""

BEGIN = """
-- KEYS: token, live, states, loads   ARGV: highest token known outside Redis, suffix, record
local last = tonumber(redis.call('GET', KEYS[1]) or '0')
local live = tonumber(redis.call('HGET', KEYS[2], 'token') or '0')
local token = string.format('%.0f', math.max(last, live, tonumber(ARGV[1])) + 1)
local generation = token .. '-' .. ARGV[2]
redis.call('SET', KEYS[1], token)
redis.call('HSET', KEYS[3], generation, 'loading')
redis.call('HSET', KEYS[4], generation, ARGV[3])
return generation
"""

SEAL = """
-- KEYS: states, headers, partitions   ARGV: generation, header, partition, token
local state = redis.call('HGET', KEYS[1], ARGV[1])
if state == 'verified' and redis.call('HGET', KEYS[2], ARGV[1]) == ARGV[2] then return state end
if state ~= 'loading' then return 'refused: ' .. (state or 'unknown') end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[1], ARGV[1], 'verified')
local newest = redis.call('HGET', KEYS[3], ARGV[3])
if not newest or tonumber(string.match(newest, '^%d+')) < tonumber(ARGV[4]) then
  redis.call('HSET', KEYS[3], ARGV[3], ARGV[1])
end
return 'verified'
"""

FLIP = """
-- KEYS: live, headers, states, ended   ARGV: generation, token, 1 to allow an older partition, now
local live = redis.call('HMGET', KEYS[1], 'token', 'generation', 'header')
local state = redis.call('HGET', KEYS[3], ARGV[1])
if live[2] == ARGV[1] and live[1] == ARGV[2] then return {'live', live[2]} end
if live[1] and tonumber(ARGV[2]) <= tonumber(live[1]) then return {'token', live[2], live[1]} end
if state ~= 'verified' and state ~= 'retired' and state ~= 'live' then return {'state', live[2], state} end
local header = redis.call('HGET', KEYS[2], ARGV[1])
if not header then return {'header', live[2]} end
if live[3] and ARGV[3] ~= '1' then
  if cjson.decode(header).partition < cjson.decode(live[3]).partition then return {'kept', live[2]} end
end
redis.call('HDEL', KEYS[4], ARGV[1])
redis.call('HSET', KEYS[1], 'token', ARGV[2], 'generation', ARGV[1], 'header', header)
if live[2] and live[2] ~= ARGV[1] then
  redis.call('HSET', KEYS[3], live[2], 'retired')
  redis.call('HSET', KEYS[4], live[2], ARGV[4])
end
redis.call('HSET', KEYS[3], ARGV[1], 'live')
return {'live', live[2]}
"""

REJECT = """
-- KEYS: live, states, partitions, ended   ARGV: generation, partition, now, the states that it may be in
local state = redis.call('HGET', KEYS[2], ARGV[1])
if redis.call('HGET', KEYS[1], 'generation') == ARGV[1] then return 'live' end
local allowed = false
for index = 4, #ARGV do allowed = allowed or ARGV[index] == state end
if not allowed then return state or 'unknown' end
redis.call('HDEL', KEYS[4], ARGV[1])
if redis.call('HGET', KEYS[3], ARGV[2]) == ARGV[1] then redis.call('HDEL', KEYS[3], ARGV[2]) end
redis.call('HSET', KEYS[2], ARGV[1], 'rejected')
redis.call('HSET', KEYS[4], ARGV[1], ARGV[3])
return 'rejected'
"""
