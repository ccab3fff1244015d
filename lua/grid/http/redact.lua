-- Removes the secrets of a request from text of a service, which may echo the request.
-- Owns: which parts of a request are secrets, and the search for them in foreign text.
-- Does not know: calls and errors.
--
-- The request and each text are read once: the time is proportional to the sum of their
-- lengths, not to the product.

local ascii = require "grid.ascii"
local core = require "grid.core"
local display = require "grid.display"
local echo = require "grid.http.echo"
local json = require "grid.json"

local secrets = {}
local Secrets = { __index = secrets }

local PIECE, SHORTEST = echo.PIECE, echo.SHORTEST
local LONG_WORD = 16 -- bytes of a word of a body that is a secret under any member name

local REDACTED = "[redacted]"

local function add_pieces(self, secret)
  for first = 1, #secret - PIECE + 1 do self.pieces[secret:sub(first, first + PIECE - 1)] = true end
end

local function add(self, secret)
  local length = #secret
  add_pieces(self, secret)
  if secret:find(" ", 1, true) then add_pieces(self, (secret:gsub(" +", ""))) end -- see has_separated
  if length >= SHORTEST and length < PIECE then self.words[secret] = true end
  if length >= PIECE then self.long[#self.long + 1] = secret end
end

-- Adds the whole header, and each value with and without its quotes.
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
  name = ascii.lower(name)
  for _, part in ipairs(SECRET_NAMES) do
    if name:find(part, 1, true) then return true end
  end
  return false
end

-- Member names are not secrets: services name the member that is wrong.
local function add_members(self, value, name)
  if type(value) == "table" then
    for key, member in pairs(value) do add_members(self, member, type(key) == "string" and key or name) end
  elseif type(value) == "string" or type(value) == "number" then
    local text = tostring(value)
    if is_secret_name(name) then add(self, text) else add_long_words(self, text) end
  end
end

-- A service may echo the decoded body or its raw text, so both are added. The two differ
-- if the text contains escapes or a name twice, or if the body around a payload of the
-- greatest depth is one level too deep to be decoded.
local function add_body(self, body)
  add_members(self, json.decode(body), "")
  add_long_words(self, (body:gsub('"[%w_]+"%s*:', " ")))
end

--- The secrets of a request | nil: the request is too long to search, and no text of the
--- service may be shown
function secrets.new(api_key, body, cookie)
  if #api_key + #body + #cookie > echo.MOST_SENT then return nil end
  local self = setmetatable({ pieces = {}, words = {}, long = {} }, Secrets)
  add(self, api_key)
  add_cookie(self, cookie)
  if body ~= "" then add_body(self, body) end
  return self
end

-- Is `left` not followed by another character of the same word?
local function is_edge(text, left)
  return left < 1 or not text:find("^[0-9A-Za-z_][0-9A-Za-z_]", left)
end

-- The last position of the short secret that begins at `first` and is a whole word | nil.
-- `places`: the positions of the letters in `text`; nil: both are the same
local function word_end(self, letters, first, text, places)
  if not is_edge(text, (places and places[first] or first) - 1) then return nil end
  for last = first + SHORTEST - 1, math.min(first + PIECE - 2, #letters) do
    if self.words[letters:sub(first, last)] and is_edge(text, places and places[last] or last) then return last end
  end
end

-- Does the text contain a secret whose letters are separated?
local function has_separated(self, text)
  local spaced, joined = echo.without_separators(text)
  if not spaced then return false end
  local places, short = {}, next(self.words) ~= nil
  for place in spaced:gmatch "()[^ ]" do places[#places + 1] = place end
  for first = 1, #joined - SHORTEST + 1 do
    if self.pieces[joined:sub(first, first + PIECE - 1)] or short and word_end(self, joined, first, spaced, places) then
      return true
    end
  end
  return false
end

-- Replaces the secrets of a visible text. The result is made visible again, since a piece
-- may end within a UTF-8 character.
local function replace_secrets(self, text)
  local pieces, short = self.pieces, next(self.words) ~= nil
  local kept, hidden = {}, 0 -- `hidden`: position of the last byte of the secrets found so far
  for first = 1, #text - SHORTEST + 1 do
    local last = pieces[text:sub(first, first + PIECE - 1)] and first + PIECE - 1 or short and word_end(self, text, first, text)
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

-- Removes invisible characters first, since they could separate the letters of a secret.
-- A text that separates them by others is not shown at all.
local function redact(self, text)
  text = replace_secrets(self, core.visible(text))
  return has_separated(self, text) and REDACTED or text
end

--- A short text without secrets | nil: the request is too long to search. Takes as long
--- as a call: see echo.is_possible.
function secrets.strike(text, api_key, body, cookie)
  local hidden = secrets.new(api_key, body, cookie)
  return hidden and redact(hidden, text)
end

--- The first `length` bytes of a text, about, without secrets. A truncated text also
--- loses its last PIECE - 1 bytes, which may be the beginning of a secret.
function secrets:beginning(text, length)
  if #text <= length then return redact(self, text) end
  return redact(self, text:sub(1, length)):sub(1, -PIECE)
end

-- "invalid_api_key", "NOT_FOUND"
local function is_plain_name(text)
  return text:find "^%l[%l_.-]*$" or text:find "^%u[%u_.-]*$"
end

--- A machine name without secrets. A plain name has substrings in common with other names
--- by coincidence: the name is replaced only if it contains a whole secret, or is a part
--- of a secret that is not a plain name itself.
function secrets:name(text)
  text = core.visible(text)
  if not is_plain_name(text) then return redact(self, text) end
  for _, secret in ipairs(self.long) do
    local is_piece = #text >= PIECE and not is_plain_name(secret) and secret:find(text, 1, true)
    if is_piece or text:find(secret, 1, true) then return REDACTED end
  end
  return next(self.words) and redact(setmetatable({ pieces = {}, words = self.words }, Secrets), text) or text
end

--- Text, numbers or tables of them, without secrets. Tables are changed in place.
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
