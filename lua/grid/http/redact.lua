-- What must not be shown of what was sent: services echo what they refuse.
-- Owns: what in a request is a secret, and its removal from foreign text. Knows neither
-- calls nor errors.
--
-- What was sent is walked through once, and so is each text: the time it takes grows with
-- both, and not with their product.

local core = require "grid.core"
local display = require "grid.display"
local json = require "grid.json"

local secrets = {}
local Secrets = { __index = secrets }

local PIECE = 8             -- bytes in a row that a text shares with a secret by more than chance
local SHORTEST = 4          -- bytes of a secret; below PIECE it is removed where it stands as a word
local LONG_WORD = 16        -- bytes that make a word of a body a secret, whatever its member is called
local MOST_SENT = 64 * 1024 -- bytes that are worth the search

local REDACTED = "[redacted]"

local function add(self, secret)
  local length = #secret
  for first = 1, length - PIECE + 1 do self.pieces[secret:sub(first, first + PIECE - 1)] = true end
  if length >= SHORTEST and length < PIECE then self.words[secret] = true end
  if length >= PIECE then self.long[#self.long + 1] = secret end
end

-- The whole header, and each of its values, with quotes or without.
local function add_cookie(self, header)
  add(self, header)
  for crumb in header:gmatch "[^;]+" do
    local value = display.trim(crumb:sub((crumb:find("=", 1, true) or 0) + 1))
    add(self, value)
    add(self, value:match '^"(.*)"$' or "")
  end
end

local function add_long_words(self, text)
  for word in text:gmatch '[^%s",:;={}%[%]]+' do
    if #word >= LONG_WORD then add(self, word) end
  end
end

local SECRET_NAMES = { "token", "key", "code", "secret", "password", "signature" }

local function is_secret_name(name)
  name = name:lower()
  for _, part in ipairs(SECRET_NAMES) do
    if name:find(part, 1, true) then return true end
  end
  return false
end

-- The names themselves are no secrets: services say which member is wrong.
local function add_members(self, value, name)
  if type(value) == "table" then
    for key, member in pairs(value) do add_members(self, member, type(key) == "string" and key or name) end
  elseif type(value) == "string" or type(value) == "number" then
    local text = tostring(value)
    if is_secret_name(name) then add(self, text) else add_long_words(self, text) end
  end
end

-- A body comes back as it was read, or as it was written. That differs where it has
-- escapes, where a name stands twice, and where a payload of the greatest depth lies in
-- it, so that the whole is one level too deep to be read.
local function add_body(self, body)
  add_members(self, json.decode(body), "")
  add_long_words(self, (body:gsub('"[%w_]+"%s*:', " ")))
end

--- The secrets of a request | nil: so much was sent that nothing foreign should be shown.
function secrets.new(api_key, body, cookie)
  if #api_key + #body + #cookie > MOST_SENT then return nil end
  local self = setmetatable({ pieces = {}, words = {}, long = {} }, Secrets)
  add(self, api_key)
  add_cookie(self, cookie)
  if body ~= "" then add_body(self, body) end
  return self
end

-- Not between two letters of one word.
local function is_edge(text, left)
  return left < 1 or not text:find("^[%w_][%w_]", left)
end

-- Where a short secret that begins at `first`, and stands there as a word, ends.
local function word_end(self, text, first)
  if not is_edge(text, first - 1) then return nil end
  for last = first + SHORTEST - 1, first + PIECE - 2 do
    if self.words[text:sub(first, last)] and is_edge(text, last) then return last end
  end
end

-- What is not seen is left out first: it could stand between the letters of a secret. A
-- piece may end within a character.
local function redact(self, text)
  text = core.visible(text)
  local pieces, short = self.pieces, next(self.words) ~= nil
  local kept, hidden = {}, 0 -- `hidden`: the last byte so far of what is a secret
  for first = 1, #text - SHORTEST + 1 do
    local last = pieces[text:sub(first, first + PIECE - 1)] and first + PIECE - 1 or short and word_end(self, text, first)
    if last then
      if hidden == 0 or first > hidden + 1 then
        kept[#kept + 1] = text:sub(hidden + 1, first - 1)
        kept[#kept + 1] = REDACTED
      end
      hidden = math.max(hidden, last)
    end
  end
  if hidden == 0 then return text end
  kept[#kept + 1] = text:sub(hidden + 1)
  return core.visible(table.concat(kept))
end

--- A text of a few words, without what is a secret | nil: that cannot be told. The search
--- in full takes as long as a call does; it is spared where text and secrets have nothing
--- in common, unless escapes of the body may hide that.
function secrets.strike(text, api_key, body, cookie)
  local shortest = #api_key + #body + #cookie > MOST_SENT and PIECE or SHORTEST
  if not core.overlaps(text, shortest, api_key, body, cookie) and not body:find("\\u", 1, true) then return text end
  local hidden = secrets.new(api_key, body, cookie)
  return hidden and redact(hidden, text)
end

--- The beginning of a text, of about that many bytes, without what is a secret, nor the
--- beginning of one that reaches further.
function secrets:beginning(text, length)
  if #text <= length then return redact(self, text) end
  return redact(self, text:sub(1, length)):sub(1, -PIECE)
end

-- "invalid_api_key", "NOT_FOUND"
local function is_plain_name(text)
  return text:find "^%l[%l_.-]*$" or text:find "^%u[%u_.-]*$"
end

--- A machine name, without what is a secret. Plain words stand in other names by chance:
--- only a whole secret hides them, or one that they were cut out of, unless it is made of
--- plain words too.
function secrets:name(text)
  text = core.visible(text)
  if not is_plain_name(text) then return redact(self, text) end
  for _, secret in ipairs(self.long) do
    local is_piece = #text >= PIECE and not is_plain_name(secret) and secret:find(text, 1, true)
    if is_piece or text:find(secret, 1, true) then return REDACTED end
  end
  return next(self.words) and redact(setmetatable({ pieces = {}, words = self.words }, Secrets), text) or text
end

--- Text and numbers, or tables of them, without what is one of the secrets too. Tables
--- are changed.
function secrets:harmless(value)
  if type(value) == "string" then return redact(self, value) end
  if type(value) == "number" then return redact(self, tostring(value)) == tostring(value) and value or REDACTED end
  if type(value) ~= "table" then return value end
  for name, member in pairs(value) do
    if type(name) == "string" and redact(self, name) ~= name then value[name] = nil
    else value[name] = self:harmless(member) end
  end
  return value
end

return secrets
