-- Sends answers: whole, or as a fault wants it. 444 is nginx's word for closing without
-- another byte: the connection on HTTP/1.1, the stream (by RST_STREAM) on HTTP/2.
-- Does not know: how the answer was made.

local wire = require "sandbox.wire"

local deliver = {}

local function send_headers(answer, length)
  local header = ngx.header
  ngx.status = answer.status
  header["Content-Type"] = answer.content_type
  header["X-Request-Id"] = answer.request_id
  header["Content-Length"] = length
  for name, value in pairs(answer.headers) do header[name] = value end
end

function deliver.whole(answer)
  send_headers(answer, #answer.body)
  ngx.print(answer.body)
end

-- Without an answer: an orderly end of the connection, a reset of it (HTTP/1.1), or of
-- the stream alone (HTTP/2).
function deliver.drop(_, fault)
  if fault.reset then return ngx.exec "@reset" end
  if not fault.stream and ngx.req.http_version() >= 2 then wire.cut() end
  return ngx.exit(444)
end

--- The length promised is that of the whole body, the bytes sent are fewer.
function deliver.truncate(answer, fault)
  send_headers(answer, #answer.body)
  ngx.print(answer.body:sub(1, fault.bytes or math.floor(#answer.body / 2)))
  ngx.flush(true)
  return ngx.exit(444)
end

function deliver.slow(answer, fault)
  send_headers(answer, #answer.body)
  for i = 1, #answer.body, fault.bytes do
    ngx.print(answer.body:sub(i, i + fault.bytes - 1))
    if not ngx.flush(true) then return end -- the client has gone
    ngx.sleep(math.max(fault.interval, 0.001))
  end
end

--- Twice the same whole answer, then the end of the connection. HTTP/2 has no such thing:
--- one is sent.
function deliver.double(answer)
  if ngx.req.http_version() >= 2 then return deliver.whole(answer) end
  local text = ("HTTP/1.1 %d Doubled\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"):format(
    answer.status, answer.content_type, #answer.body, answer.body)
  assert(ngx.req.socket(true)):send(text .. text)
  return ngx.exit(444)
end

--- The bytes given and nothing else, then the end of the connection. HTTP/2 has no such
--- thing: its stream is closed.
function deliver.raw(_, fault)
  if ngx.req.http_version() < 2 then
    local socket = assert(ngx.req.socket(true))
    socket:send(fault.raw)
  end
  return ngx.exit(444)
end

return deliver
