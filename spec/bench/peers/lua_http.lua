-- lua-http: a connection that is kept, and a stream of it for each call. Its http.request
-- connects anew for each.

local http_client = require "http.client"
local http_headers = require "http.headers"
local json = require "cjson"

local TIMEOUT = 60

return function(request)
  local host, port = request.url:match "^http://([^:/]+):(%d+)"
  local connection = assert(http_client.connect({ host = host, port = tonumber(port), tls = false }, TIMEOUT))
  return function()
    local body = request.body()
    local headers = http_headers.new()
    headers:append(":method", "POST")
    headers:append(":authority", host .. ":" .. port)
    headers:append(":path", request.path)
    headers:append("content-length", tostring(#body))
    for name, value in pairs(request.headers()) do headers:append(name, value) end
    local stream = assert(connection:new_stream())
    assert(stream:write_headers(headers, false, TIMEOUT))
    assert(stream:write_body_from_string(body, TIMEOUT))
    local answer = assert(stream:get_headers(TIMEOUT))
    assert(answer:get ":status" == "200")
    return json.decode(assert(stream:get_body_as_string(TIMEOUT)))
  end
end
