-- luasocket's socket.http, which closes a connection after each call: a socket that does
-- neither connect again nor close keeps it open. Without tcp-nodelay each call waits for
-- a delayed acknowledgement: request line, headers and body are sends of their own.

local http = require "socket.http"
local json = require "cjson"
local ltn12 = require "ltn12"
local socket = require "socket"

local function kept(host, port)
  local tcp = assert(socket.tcp())
  assert(tcp:connect(host, port))
  assert(tcp:setoption("tcp-nodelay", true))
  local self = { connect = function() return 1 end, close = function() return 1 end }
  for _, name in ipairs { "send", "receive", "settimeout", "getfd", "dirty" } do
    self[name] = function(_, ...) return tcp[name](tcp, ...) end
  end
  return self
end

return function(request)
  local host, port = request.url:match "^http://([^:/]+):(%d+)"
  local connection = kept(host, port)
  return function()
    local body, headers, chunks = request.body(), request.headers(), {}
    headers.connection, headers["content-length"] = "keep-alive", #body
    local _, status = assert(http.request {
      method = "POST", url = request.url, headers = headers, create = function() return connection end,
      source = ltn12.source.string(body), sink = ltn12.sink.table(chunks),
    })
    assert(status == 200, status)
    return json.decode(table.concat(chunks))
  end
end
