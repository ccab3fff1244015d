-- Text that others wrote: services, servers, files. What is shown of it passes here.
-- Owns: how much of it is looked at, and how much is shown. Which characters may pass is
-- grid.core's say, what is secret that of grid.secrets.

local core = require "grid.core"

local display = {}

local MAX_READ = 4096 -- bytes
local MAX_SHOWN = 300

--- Without the blanks around it. A pattern that ends in `%s*$` would take the square of
--- the longest run of them.
function display.trim(text)
  local first = text:find "%S"
  return first and text:sub(first, #text - text:reverse():find "%S" + 1) or ""
end

--- What there is to see of a value that may be a text | nil: nothing.
function display.seen(value)
  if type(value) ~= "string" then return nil end
  local text = display.trim(core.visible(value:sub(1, MAX_READ)))
  if text ~= "" then return text end
end

--- A text on one line of bounded length.
function display.one_line(text)
  text = core.visible(text)
  if #text <= MAX_SHOWN then return text end
  return text:sub(1, MAX_SHOWN):gsub("[\192-\255][\128-\191]*$", "") .. "…" -- not in the middle of a character of UTF-8
end

return display
