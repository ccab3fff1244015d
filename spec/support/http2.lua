-- What the specs of HTTP/2 share: the server of spec/support/frame_server.mjs, clients of
-- that server, and transfers without a client. The body of a request selects
-- the frames that the server sends.
-- Does not know: what an answer should be.

local fault_server = require "spec.support.fault_server"
local grid = require "grid"
local rig = require "spec.support.rig"

local http2 = {}
local Peer = {}
Peer.__index = Peer

--- For a describe block: one server for all its tests. Each test ends with its clients
--- closed, and leaves no block of the C core.
---@return table peer its field `server` is nil until the first test
function http2.peer()
  local busted = require "busted"
  local peer = setmetatable({ case_count = 0, clients = {} }, Peer)
  busted.setup(function() peer.server = fault_server.start "frame_server" end)
  busted.teardown(function() peer.server:stop() end)
  busted.before_each(rig.mark)
  busted.after_each(function()
    for _, client in ipairs(peer.clients) do client:close() end
    peer.clients = {}
    rig.assert_nothing_left()
  end)
  return peer
end

--- A name under which the server lists what it executed.
function Peer:case()
  self.case_count = self.case_count + 1
  return "case-" .. self.case_count
end

function Peer:executions(case) return self.server:executions(case) end

function Peer:client(options)
  options = options or {}
  local client = grid.new {
    api_key = "key", base_url = options.base_url or self.server.https, ca_file = self.server.ca,
    retries = options.retries or 0, timeout = 10, host = options.host,
  }
  self.clients[#self.clients + 1] = client
  return client
end

--- Starts a POST without a client.
function Peer:start(engine, body, timeout)
  local request = { method = "POST", url = self.server.https .. "/x", headers = {}, body = body }
  return assert(engine:start(request, { max_response_bytes = 2 ^ 20, ca_file = self.server.ca }, timeout or 30, 5))
end

return http2
