-- Prepares foreign text, of services and files, for messages.
-- Owns: the limits of bytes that are read and shown.
-- Does not know: which characters are visible, which is in grid.core; secrets, which are
-- in grid.http.redact.

local core = require "grid.core"

local display = {}

local MAX_READ = 4096 -- bytes
local MAX_SHOWN = 300

local function is_blank(byte)
  return byte == 32 or byte >= 9 and byte <= 13
end

--- The text without blanks at its ends. A pattern that ends in `%s*$` needs quadratic
--- time for a long run of blanks.
function display.trim(text)
  if text == "" or not is_blank(text:byte()) and not is_blank(text:byte(-1)) then return text end
  local first = text:find "%S"
  return first and text:sub(first, #text - text:reverse():find "%S" + 1) or ""
end

--- The visible text of a value | nil: the value is not a string, or has no visible
--- character
function display.seen(value)
  if type(value) ~= "string" then return nil end
  local text = display.trim(core.visible(#value > MAX_READ and value:sub(1, MAX_READ) or value))
  if text ~= "" then return text end
end

--- A text on one line of bounded length.
function display.one_line(text)
  text = core.visible(text)
  if #text <= MAX_SHOWN then return text end
  return text:sub(1, MAX_SHOWN):gsub("[\192-\255][\128-\191]*$", "") .. "…" -- not within a UTF-8 character
end

return display
