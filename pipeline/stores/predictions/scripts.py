"""The server-side scripts: each is one step that happens whole or not at all.

They touch control keys only, which share a slot, and run on Redis 6.2.  Headers are decoded to look at single fields
and never encoded again, since Redis' JSON library would change them.  A script that must work on a full Redis begins
with a write that needs no memory (often one that deletes nothing): Redis checks memory at the first write of a script
only.  A script may run twice when a reply was lost, so each finds its own work done the second time.

A generation that has a header has all of its data: ``REJECT``, after which data is removed, takes the header away.
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
-- KEYS: states, headers, partitions, rejected, live, released
-- ARGV: generation, header, partition, token, inputs, run id
-- The run id is that of the server which was read back: a replica that took over meanwhile may not have everything.
local state = redis.call('HGET', KEYS[1], ARGV[1])
if state == 'verified' and redis.call('HGET', KEYS[2], ARGV[1]) == ARGV[2] then return state end
if state ~= 'loading' then return 'refused: ' .. (state or 'unknown') end
if string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') ~= ARGV[6] then return 'another server' end
local rollback = redis.call('HGET', KEYS[6], '')
if rollback and tonumber(ARGV[4]) < tonumber(rollback) then return 'refused: there was a rollback since it began' end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[1], ARGV[1], 'verified')
if redis.call('HGET', KEYS[3], ARGV[3]) or redis.call('HGET', KEYS[4], ARGV[5]) then return 'verified' end
local live = redis.call('HMGET', KEYS[5], 'token', 'header')
local is_stale = live[1] and tonumber(ARGV[4]) <= tonumber(live[1])
if is_stale and ARGV[3] >= cjson.decode(live[2]).partition then return 'verified' end
redis.call('HSET', KEYS[3], ARGV[3], ARGV[1])
return 'verified'
"""

FLIP = """
-- KEYS: live, headers, states, ended, released, partitions, rejected
-- ARGV: generation, token, now, 1 to allow an older partition, 1 to allow what was rolled back
local function token_of(name) return tonumber(string.match(name, '^%d+')) end
redis.call('HDEL', KEYS[4], '')
local live = redis.call('HMGET', KEYS[1], 'token', 'generation', 'header')
if live[2] == ARGV[1] and live[1] == ARGV[2] then return {'live', live[2]} end

local text = redis.call('HGET', KEYS[2], ARGV[1])
local header = text and cjson.decode(text)
local is_kept, is_audit = false, false
if header then
  local is_older = live[3] and header.partition < cjson.decode(live[3]).partition
  is_audit = (header.basis or 'as_corrected') ~= 'as_corrected'
  is_kept = (is_older and ARGV[4] ~= '1') or is_audit
end
local rollback = redis.call('HGET', KEYS[5], '')
if rollback and tonumber(ARGV[2]) < tonumber(rollback) then return {'token', live[2], rollback} end
if live[1] and tonumber(ARGV[2]) <= tonumber(live[1]) and not is_kept then return {'token', live[2], live[1]} end
local state = redis.call('HGET', KEYS[3], ARGV[1])
local may_go = state == 'verified' or state == 'retired' or state == 'live' or (state == 'rejected' and ARGV[5] == '1')
if not may_go then return {'state', live[2], state} end
if not header then return {'header', live[2]} end
local rejection = redis.call('HGET', KEYS[7], header.inputs or '')
if is_audit then
  -- It never stands for what the night released: where its partition is read from, SEAL has said.
  redis.call('HSET', KEYS[5], ARGV[1], ARGV[2])
  return {'kept', live[2]}
end
if rejection and ARGV[5] ~= '1' then return {'rejected', live[2], rejection} end
local newest = redis.call('HGET', KEYS[6], header.partition)
local is_newest = not newest or token_of(newest) <= token_of(ARGV[1])
if is_kept and not is_newest then return {'newest', live[2], newest} end

if rejection then redis.call('HDEL', KEYS[7], header.inputs) end
if is_newest then redis.call('HSET', KEYS[6], header.partition, ARGV[1]) end
redis.call('HSET', KEYS[5], ARGV[1], ARGV[2])
if is_kept then
  if state == 'rejected' then
    redis.call('HDEL', KEYS[4], ARGV[1])
    redis.call('HSET', KEYS[3], ARGV[1], 'verified')
  end
  return {'kept', live[2]}
end
redis.call('HDEL', KEYS[4], ARGV[1])
redis.call('HSET', KEYS[1], 'token', ARGV[2], 'generation', ARGV[1], 'header', text)
if live[2] and live[2] ~= ARGV[1] then
  redis.call('HSET', KEYS[3], live[2], 'retired')
  redis.call('HSET', KEYS[4], live[2], ARGV[3])
end
redis.call('HSET', KEYS[3], ARGV[1], 'live')
return {'live', live[2]}
"""

ROLLBACK = """
-- KEYS: live, headers, states, ended, released, partitions, token, rejected
-- ARGV: generation to leave, one to return to, highest token known outside Redis, now, JSON fields of a rejection
local function token_of(name) return tonumber(string.match(name, '^%d+')) end
local function released(name) return tonumber(redis.call('HGET', KEYS[5], name) or token_of(name)) end
local function header_of(name)
  local text = redis.call('HGET', KEYS[2], name)
  return text and cjson.decode(text), text
end
local function each(key)
  local list, index = redis.call('HGETALL', key), -1
  return function()
    index = index + 2
    return list[index], list[index + 1]
  end
end

redis.call('HDEL', KEYS[4], '')
local live = redis.call('HMGET', KEYS[1], 'token', 'generation')
if live[2] == ARGV[2] then
  local done = {'live', live[1]}
  for name, state in each(KEYS[3]) do
    if state == 'rejected' and redis.call('HGET', KEYS[4], name) == ARGV[4] then table.insert(done, name) end
  end
  return done
end
if live[2] ~= ARGV[1] then return {'moved', live[2]} end
local state = redis.call('HGET', KEYS[3], ARGV[2])
local target, text = header_of(ARGV[2])
if state ~= 'retired' or not target then return {'state', state} end

local last = tonumber(redis.call('GET', KEYS[7]) or '0')
local token = string.format('%.0f', math.max(last, tonumber(live[1]), tonumber(ARGV[3])) + 1)
redis.call('SET', KEYS[7], token)

local result, partitions = {'live', token}, {}
local since = released(ARGV[2])
for name, was in each(KEYS[3]) do
  if (was == 'live' or was == 'retired') and name ~= ARGV[2] and released(name) > since then
    redis.call('HSET', KEYS[3], name, 'rejected')
    redis.call('HSET', KEYS[4], name, ARGV[4])
    table.insert(result, name)
    local header = header_of(name)
    if header then
      partitions[header.partition] = true
      if (header.inputs or '') ~= '' then
        local who = '{"generation":"' .. name .. '","partition":"' .. header.partition .. '",' .. ARGV[5]
        redis.call('HSET', KEYS[8], header.inputs, who)
      end
    end
  end
end
redis.call('HDEL', KEYS[8], target.inputs or '')

redis.call('HDEL', KEYS[4], ARGV[2])
redis.call('HSET', KEYS[1], 'token', token, 'generation', ARGV[2], 'header', text)
redis.call('HSET', KEYS[3], ARGV[2], 'live')
redis.call('HSET', KEYS[5], ARGV[2], token, '', token)

for partition in pairs(partitions) do
  local newest
  for name, kept in each(KEYS[3]) do
    local is_staged = kept == 'verified' and not redis.call('HGET', KEYS[5], name)
    local header = kept ~= 'loading' and kept ~= 'rejected' and not is_staged and header_of(name)
    local may_stand = header and header.partition == partition and (header.basis or 'as_corrected') == 'as_corrected'
    if may_stand and not redis.call('HGET', KEYS[8], header.inputs or '') then
      if not newest or token_of(name) > token_of(newest) then newest = name end
    end
  end
  if newest then redis.call('HSET', KEYS[6], partition, newest) else redis.call('HDEL', KEYS[6], partition) end
end
return result
"""

REJECT = """
-- KEYS: live, headers, states, ended, partitions, pins
-- ARGV: generation, partition, now, the states that it may be in
local state = redis.call('HGET', KEYS[3], ARGV[1])
if redis.call('HGET', KEYS[1], 'generation') == ARGV[1] then return 'live' end
if redis.call('HGET', KEYS[6], ARGV[1]) then return 'pinned' end
local allowed = false
for index = 4, #ARGV do allowed = allowed or ARGV[index] == state end
if not allowed then return state or 'unknown' end
redis.call('HDEL', KEYS[4], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
if redis.call('HGET', KEYS[5], ARGV[2]) == ARGV[1] then redis.call('HDEL', KEYS[5], ARGV[2]) end
redis.call('HSET', KEYS[3], ARGV[1], 'rejected')
redis.call('HSET', KEYS[4], ARGV[1], ARGV[3])
return 'rejected'
"""

PIN = """
-- KEYS: headers, states, pins   ARGV: generation, who and why as JSON
redis.call('HDEL', KEYS[3], '')
if not redis.call('HGET', KEYS[1], ARGV[1]) then return redis.call('HGET', KEYS[2], ARGV[1]) or 'unknown' end
redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])
return 'pinned'
"""

ERASE = """
-- KEYS: a bucket   ARGV: entity id
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
-- A missing bucket would mean damage: one that has lost its last entity keeps a field that no entity id can be.
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('HSET', KEYS[1], '', 'null') end
return 1
"""

BEGIN_ERASURE = """
-- KEYS: headers, erasing   ARGV: generation, the header that it had when the entity was seen in it, entity id
redis.call('HDEL', KEYS[2], '')
if redis.call('HGET', KEYS[2], ARGV[1]) or redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
return 1
"""

END_ERASURE = """
-- KEYS: headers, live, erasing   ARGV: generation, entity id, the header that is there, the one to put there
if redis.call('HGET', KEYS[3], ARGV[1]) ~= ARGV[2] then return 1 end
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[3] then return 0 end
redis.call('HDEL', KEYS[3], ARGV[1])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[4])
if redis.call('HGET', KEYS[2], 'generation') == ARGV[1] then redis.call('HSET', KEYS[2], 'header', ARGV[4]) end
return 1
"""

RESTORE = """
-- KEYS: token, headers, states, loads, erasing   ARGV: generation, highest token known outside Redis, record
local state = redis.call('HGET', KEYS[3], ARGV[1])
if state and state ~= 'loading' and redis.call('HGET', KEYS[2], ARGV[1]) then return state end
local last = tonumber(redis.call('GET', KEYS[1]) or '0')
redis.call('SET', KEYS[1], string.format('%.0f', math.max(last, tonumber(ARGV[2]))))
redis.call('HDEL', KEYS[5], ARGV[1])
redis.call('HSET', KEYS[3], ARGV[1], 'loading')
redis.call('HSET', KEYS[4], ARGV[1], ARGV[3])
return 'loading'
"""

KEEP = """
-- KEYS: states, released, partitions   ARGV: generation, the token that it was kept with, partition
local function token_of(name) return tonumber(string.match(name, '^%d+')) end
if redis.call('HGET', KEYS[1], ARGV[1]) ~= 'verified' then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
local newest = redis.call('HGET', KEYS[3], ARGV[3])
local is_published = newest and redis.call('HGET', KEYS[2], newest)
if is_published and token_of(newest) > token_of(ARGV[1]) then return 1 end
redis.call('HSET', KEYS[3], ARGV[3], ARGV[1])
return 1
"""

RETIRE = """
-- KEYS: states, ended, released   ARGV: generation, the token that it was last made live with, now, retired or rejected
if redis.call('HGET', KEYS[1], ARGV[1]) ~= 'verified' then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[4])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])
return 1
"""
