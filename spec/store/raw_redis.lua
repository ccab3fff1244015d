-- A client of Redis that has no method but `eval` and `close`, and returns nil and a
-- problem where others raise.
-- Does not know: stores.

local socket = require "socket"

local raw = {}
local Client = {}
Client.__index = Client

function raw.connect(port)
  local connection, problem = socket.connect("127.0.0.1", port)
  if not connection then return nil, problem end
  connection:settimeout(5)
  return setmetatable({ connection = connection }, Client)
end

local function read(connection)
  local line, problem = connection:receive "*l"
  if not line then return nil, problem end
  local kind, rest = line:sub(1, 1), line:sub(2)
  if kind == "-" then return nil, rest end
  if kind == ":" or kind == "+" then return rest end -- a number is text here
  if kind == "$" then return (connection:receive(tonumber(rest) + 2)):sub(1, -3) end
  local list = {}
  for i = 1, tonumber(rest) do list[i] = read(connection) end
  return list
end

function Client:eval(...)
  local words = { "EVAL", ... }
  local parts = { ("*%d\r\n"):format(#words) }
  for _, word in ipairs(words) do parts[#parts + 1] = ("$%d\r\n%s\r\n"):format(#tostring(word), word) end
  local sent, problem = self.connection:send(table.concat(parts))
  if not sent then return nil, problem end
  return read(self.connection)
end

function Client:close() self.connection:close() end

return raw
