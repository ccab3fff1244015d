-- The commands of a put of grid.store.redis, in a script that compares nothing, so that
-- redis-benchmark can send the same words each time.
-- Does not know: clients.

local script = {}

script.BLOB = ("r"):rep(4096)

script.TEXT = [[
redis.call('HGET', KEYS[1], 'rev')
redis.call('HSET', KEYS[1], 'rev', ARGV[3], 'blob', ARGV[5])
redis.call('ZADD', KEYS[3], 0, ARGV[1])
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1])
return ARGV[3] ]]

function script.load(client) return client:script("load", script.TEXT) end

--- What follows the hash: keys and arguments as those of a put.
function script.words()
  local rev = ("0"):rep(32)
  return { 3, "{grid:}r:session", "{grid:}due", "{grid:}ids", "session", rev, rev, "2147483648000000", script.BLOB }
end

return script
