-- A store in Redis or Valkey, for many machines: one script on the server for each
-- operation.
-- Owns: the keys below a prefix, and the scripts. A record is a hash; "due" is a sorted
-- set of ids by their time, "ids" one of all ids in byte order.
-- Does not know: sockets, pools, and what is in a blob.

local contract = require "grid.store.contract"
local display = require "grid.display"
local errors = require "grid.errors"
local schema = require "grid.schema"

local redis = {}

local Redis = { __name = "grid.store.redis", is_local = false }
Redis.__index = Redis

local SYNC_TIMEOUT = 2000 -- ms: with `appendfsync everysec`, a sync takes 1 s, or 2 s on a slow disk

-- The keys of a script are in one slot of a cluster: see key_of. The server knows a text
-- by its SHA-1; a spec compares the two.

local GET = {
  sha = "e3bf56aa03c5a0b9e27630d5c2a3251734070982",
  text = [[
local record = redis.call('HMGET', KEYS[1], 'blob', 'rev')
if not record[1] then return {} end
return record]],
}

-- A put that has been executed already succeeds, since a client may send it twice. A
-- reply contains the rev, so that a reply to another command, which a program has left on
-- the connection, is not mistaken for it. A record that does not get longer is replaced
-- where the server has no memory left, too: it then refuses HSET as the first write of a
-- script only. So an answer is saved there, which makes its record shorter.
local PUT = {
  sha = "c18542aa078bd260216ad86bcf4063a0ec3aa697",
  text = [[
local rev = redis.call('HGET', KEYS[1], 'rev') or ''
if rev == ARGV[3] then return rev end
if rev ~= ARGV[2] then return 'conflict ' .. ARGV[3] end
local old = redis.call('HGET', KEYS[1], 'blob')
if old and #ARGV[5] <= #old then redis.call('ZREM', KEYS[2], ARGV[1]) end
redis.call('HSET', KEYS[1], 'rev', ARGV[3], 'blob', ARGV[5])
redis.call('ZADD', KEYS[3], 0, ARGV[1])
if ARGV[4] == '' then redis.call('ZREM', KEYS[2], ARGV[1])
else redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1]) end
return ARGV[3] ]],
}

local REMOVE = {
  sha = "366e82bbb15a4b6f1736da51e9511bd52f625da5",
  text = [[
if redis.call('HGET', KEYS[1], 'rev') ~= ARGV[2] then return 'conflict ' .. ARGV[2] end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return ARGV[2] ]],
}

local DUE = {
  sha = "e2f2fb6b179490907a9404bc8b6635eca1792fbe",
  text = [[return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])]],
}

local LIST = {
  sha = "0e9b49dc966fecef8a5338257e2fe1ab0aae302e",
  text = [[return redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], '+', 'LIMIT', 0, ARGV[2])]],
}

redis.SCRIPTS = { GET, PUT, REMOVE, DUE, LIST }

local function fits_a_tag(prefix)
  return schema.plain(prefix) or prefix:find "[{}]" and "a string without braces" or nil
end

local OPTIONS = {
  connect = { type = "function", required = true },
  release = { type = "function" },
  prefix = { type = "string", default = "grid:", check = fits_a_tag },
}

---@class (exact) grid.RedisStoreOptions
---@field connect fun(): any, any a client with the method eval | nil, error; may raise
---@field release? fun(client: any) takes back a client whose operation was answered; no other client
---@field prefix? string of all keys; "grid:"

--- A store in Redis. Nothing is sent before the first operation.
---@param given grid.RedisStoreOptions
---@return grid.Store
function redis.new(given)
  schema.check("grid.store.redis", OPTIONS, given)
  return setmetatable({
    connect = given.connect, release = given.release, prefix = given.prefix or OPTIONS.prefix.default,
    no_wait_until = 0,
  }, Redis)
end

-- In a cluster the part in braces chooses the slot: all keys of a store are in one.
local function key_of(self, name)
  return ("{%s}%s"):format(self.prefix, name)
end

local function failed(code, format, problem)
  -- Redis quotes the arguments of a command that it does not know.
  local text = tostring(problem):gsub(", with args beginning with.*", "")
  return errors.new { kind = "store", code = code, message = format:format(display.one_line(text)) }
end

-- The result of a method of the client | nil, problem. Clients raise, or return nil or
-- false and a problem.
local function call(client, method, ...)
  local ok, reply, problem = pcall(client[method], client, ...)
  if not ok then return nil, reply end
  if not reply then return nil, problem or "no reply" end
  return reply
end

local function has(client, method)
  local ok, found = pcall(function() return client[method] end)
  return ok and found ~= nil
end

local function evaluate(client, script, ...)
  if has(client, "evalsha") then
    local reply, problem = call(client, "evalsha", script.sha, ...)
    if reply or not tostring(problem):find("NOSCRIPT", 1, true) then return reply, problem end
  end
  return call(client, "eval", script.text, ...)
end

-- -> client | nil, error. Nothing was sent.
local function open(self)
  local ok, client, problem = pcall(self.connect)
  if ok and client then return client end
  if not ok then problem = client end
  return nil, failed("not_connected", "no connection to Redis: %s", problem or "'connect' returned no client")
end

local function release(self, client)
  if self.release then pcall(self.release, client) end
end

-- A client whose operation was not answered may yet receive the answer.
local function drop(_, client)
  if has(client, "close") then pcall(client.close, client) end
end

-- -> reply, client | nil, error
local function run(self, script, ...)
  local client, err = open(self)
  if not client then return nil, err end
  local reply, problem = evaluate(client, script, ...)
  if reply then return reply, client end
  drop(self, client)
  return nil, failed("not_answered", "Redis did not confirm the operation: %s", problem)
end

-- The ids, or a record, that a script returns. -> list | nil, error
local function read(self, script, ...)
  local reply, client = run(self, script, ...)
  if not reply then return nil, client end
  if type(reply) == "table" then
    release(self, client)
    return reply
  end
  drop(self, client)
  return nil, failed("not_answered", "the reply of Redis is no list: %s", type(reply))
end

local CHECK_AGAIN = 60 -- seconds: after a failover, another server answers

local WITHOUT_WAITING = { "unknown command", "appendonly is disabled", "NOPERM" }

local function has_no_wait(problem)
  for _, text in ipairs(WITHOUT_WAITING) do
    if tostring(problem):find(text, 1, true) then return true end
  end
  return false
end

-- Waits until the server has synced its file, if the server and the client can.
-- -> true | nil, error
local function wait_for_sync(self, client)
  if os.time() < self.no_wait_until or not has(client, "waitaof") then
    release(self, client)
    return true
  end
  local reply, problem = call(client, "waitaof", 1, 0, SYNC_TIMEOUT)
  if reply or has_no_wait(problem) then
    self.no_wait_until = reply and 0 or os.time() + CHECK_AGAIN
    release(self, client)
    if not reply or type(reply) == "table" and tonumber(reply[1]) == 1 then return true end
    problem = "set appendfsync to always or everysec, or look at the server's disk"
  else
    drop(self, client)
  end
  return nil, failed("not_durable", "the record was changed, but Redis has not synced the change: %s", problem)
end

-- Runs a script that changes a record, and replies with that rev. -> true | nil,
-- "conflict" | nil, error
local function change(self, rev, script, id, ...)
  local reply, client = run(self, script, 3, key_of(self, "r:" .. id), key_of(self, "due"), key_of(self, "ids"), id, ...)
  if not reply then return nil, client end
  if reply == rev then return wait_for_sync(self, client) end
  if reply == "conflict " .. rev then
    release(self, client)
    return nil, "conflict"
  end
  drop(self, client)
  return nil, failed("not_answered", "the reply of Redis is that of another command: a %s", type(reply))
end

function Redis:get(id)
  contract.check_id("store:get", id)
  local record, err = read(self, GET, 1, key_of(self, "r:" .. id))
  if not record then return nil, err end
  if record[1] then return record[1], record[2] end
end

function Redis:put(id, expected_rev, blob, due_at)
  contract.check_put("store:put", id, expected_rev, blob, due_at)
  if expected_rev == "" then return nil, "conflict" end -- "" is none for the script
  -- Random, so that a rev is not given again after a removal, or after a failover to a
  -- replica without the last changes.
  local rev, err = contract.random_hex(16)
  if not rev then return nil, err end
  local ok
  ok, err = change(self, rev, PUT, id, expected_rev or "", rev, due_at and contract.microseconds(due_at) or "", blob)
  if not ok then return nil, err end
  return rev
end

function Redis:remove(id, rev)
  contract.check_id("store:remove", id)
  contract.check_rev("store:remove", rev)
  return change(self, rev, REMOVE, id, rev)
end

function Redis:due(now, limit)
  contract.check_due("store:due", now, limit)
  return read(self, DUE, 1, key_of(self, "due"), contract.microseconds(now), ("%.0f"):format(limit))
end

function Redis:list(limit, after)
  contract.check_list("store:list", limit, after)
  return read(self, LIST, 1, key_of(self, "ids"), after and "(" .. after or "-", ("%.0f"):format(limit))
end

function Redis:__tostring()
  return ("grid.store.redis: %s"):format(self.prefix)
end

-- The settings of those names | nil, problem. Clients return a list or a map.
local function settings(client, ...)
  local values = {}
  if not has(client, "config") then return nil, "ERR no such method" end
  for i, name in ipairs { ... } do
    local reply, problem = call(client, "config", "get", name)
    if type(reply) ~= "table" then return nil, problem end
    values[i] = reply[name] or reply[2] or ""
  end
  return values
end

local SYNCED = {
  always = "in Redis, which syncs each change to its disk",
  everysec = "in Redis, which syncs once a second: a crash may lose the last second",
  no = "in Redis, which leaves syncing to its system: a crash may lose the last 30 seconds",
}

-- Is it an error reply of the server, after which the connection can be used again?
local function is_reply(problem)
  return (" " .. tostring(problem)):find "%s%u%u%u+%s" ~= nil
end

function Redis:durability()
  local client = open(self)
  if not client then return "unknown: no connection to Redis" end
  local values, problem = settings(client, "appendonly", "appendfsync", "maxmemory-policy")
  if not values then
    local end_use = is_reply(problem) and release or drop
    end_use(self, client)
    return "unknown: Redis does not tell its settings"
  end
  local is_logged, text = values[1] == "yes", SYNCED[values[2]] or "unknown"
  local waits = is_logged and has(client, "waitaof") and call(client, "waitaof", 0, 0, 0) ~= nil
  self.no_wait_until = waits and 0 or os.time() + CHECK_AGAIN
  if not is_logged then text = "in the memory of Redis: a crash loses all changes since its last snapshot" end
  if waits then text = text .. "; each put waits for WAITAOF" end
  if values[3]:find "^allkeys" then text = text .. "; records may be EVICTED: set maxmemory-policy to noeviction" end
  release(self, client)
  return text
end

return redis
