-- A client for the specs of the sandbox: the curl command and nothing else, so that no
-- code of the library under test judges the server that is to judge it.
-- Does not know: the library.

local json = require "spec.sandbox.json"

local client = {}

client.KEY = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li"
  .. "/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q=="
client.REFRESH = "/auth/refresh-session"

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

-- Header lines by lower-case name; the values of a name that came more than once stand on
-- lines of their own.
local function parse_headers(text)
  local headers = {}
  for name, value in text:gmatch "([%w-]+): ([^\r\n]*)" do
    name = name:lower()
    headers[name] = headers[name] and headers[name] .. "\n" .. value or value
  end
  return headers
end

local function header_words(words, server, own)
  local headers = {
    Authorization = "Bearer " .. server.api_key,
    ["Content-Type"] = "application/json",
    ["x-grid-environment"] = "sandbox",
  }
  for name, value in pairs(own or {}) do headers[name] = value end
  for name, value in pairs(headers) do
    for _, one in ipairs(type(value) == "table" and value or { value or "" }) do
      words[#words + 1] = ("-H '%s:%s'"):format(name, one == "" and "" or " " .. one)
    end
  end
end

--- One request to the API of `server`.
---@param options {headers: table?, flags: string?, base: string?, method: string?}|nil  a header that is false is not sent,
---  one that is an array is sent as often
---@return table  status, exit (of curl), version, seconds, body, headers, value and spans (the body as JSON)
function client.call(server, path, body, options)
  options = options or {}
  local sent, got, head = server.dir .. "/client.sent", server.dir .. "/client.got", server.dir .. "/client.head"
  local words = { ("curl -sS --max-time 10 --cacert '%s'"):format(server.ca), options.flags or "" }
  header_words(words, server, options.headers)
  write(sent, body or "")
  if body then words[#words + 1] = ("--data-binary @'%s'"):format(sent) end
  write(got, "")
  write(head, "")
  words[#words + 1] = ("-X %s -D '%s' -o '%s'"):format(options.method or "POST", head, got)
  words[#words + 1] = "-w '%{http_code} %{exitcode} %{http_version} %{time_total}'"
  words[#words + 1] = "'" .. (options.base or server.http) .. "/api/grid/v1" .. path .. "' 2>/dev/null"
  local pipe = assert(io.popen(table.concat(words, " ")))
  local status, exit, version, seconds = pipe:read("*a"):match "(%d+) (%d+) ([%d.]+) ([%d.]+)"
  pipe:close()
  local answer = {
    status = tonumber(status), exit = tonumber(exit), version = version, seconds = tonumber(seconds),
    body = read(got), headers = parse_headers(read(head)),
  }
  answer.value, answer.spans = json.decode(answer.body)
  return answer
end

--- The body of a refresh.
function client.request(payload, key)
  return '{"encryption_public_key":"' .. (key or client.KEY) .. '","kms_payload":' .. payload .. "}"
end

function client.refresh(server, payload, options)
  return client.call(server, client.REFRESH, client.request(payload), options)
end

--- The exact text of the kms_payload in a refresh answer.
function client.payload_of(answer)
  local data = answer.body:sub(answer.spans.data[1], answer.spans.data[2])
  local _, spans = json.decode(data)
  return data:sub(spans.kms_payload[1], spans.kms_payload[2])
end

--- The PrivySession in a payload's text.
function client.privy_of(payload)
  return json.decode(payload).session.Privy
end

function client.new_payload(server)
  return server:sessions()[1].kms_payload_json
end

--- The machine's name for why a request was refused.
function client.code_of(answer)
  return answer.value.details[1].code
end

--- `text` with the first `old` exchanged for `new`, both taken literally.
function client.exchange(text, old, new)
  local first, last = text:find(old, 1, true)
  assert(first, "nothing to exchange")
  return text:sub(1, first - 1) .. new .. text:sub(last + 1)
end

return client
