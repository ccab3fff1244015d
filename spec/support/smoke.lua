-- Loads what was installed, from whatever folder this runs in, and makes one call that
-- cannot be sent: nothing listens on the port, so the error must say that nothing was
-- executed. Takes the folder that everything must have come from.
-- Does not know: the checkout; it may run from any folder.
local tree = assert(arg[1], "usage: smoke.lua TREE")

local function from_tree(name)
  local path = package.searchpath(name, package.path) or package.searchpath(name, package.cpath)
  assert(path and path:find(tree, 1, true) == 1, name .. " is not the installed one: " .. tostring(path))
end
from_tree "grid"
from_tree "grid.core"

require "grid.core"
local grid = require "grid"

-- A P-256 point whose private key is not known.
local public_key = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAErhCAcvW6s3s8pMgnlPY1KHk3+e"
  .. "wBLWYa3Ma01P7FUQsS+HYjE+gMxqyU9JLK3dNv0TWrmKnPzi40lnpNbP6gFw=="

local client = grid.new {
  api_key = "smoke", base_url = "http://127.0.0.1:1", retries = 0, timeout = 5,
}
local res, err = client:refresh_session { encryption_public_key = public_key }
client:close()
client:close()

assert(res == nil, "a call to a closed port answered")
assert(grid.is_error(err, "network"), "not a network error: " .. tostring(err))
assert(err.sent == "no", "the error says sent = " .. tostring(err.sent))
print(("smoke: %s, %s"):format(jit and jit.version or _VERSION, tostring(err)))
