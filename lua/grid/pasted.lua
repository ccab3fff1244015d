-- Trims text that was pasted, or saved by an editor: keys, one-time passwords, settings.
-- Owns: the set of characters to remove: blanks, the byte order mark, invisible
-- characters.
-- Does not know: the meaning of the text.

local core = require "grid.core"

local pasted = {}

-- The Unicode property White_Space beyond ASCII. core.visible removes line separators as
-- controls.
local BLANKS = {}
for _, blank in ipairs { "\194\160", "\225\154\128", "\226\128\175", "\226\129\159", "\227\128\128" } do BLANKS[blank] = true end
for last = 128, 138 do BLANKS["\226\128" .. string.char(last)] = true end

local CHARACTER = ".[\128-\191]*"

local function is_noise(character)
  return character:find "^%s$" ~= nil or BLANKS[character] or core.visible(character) == ""
end

--- The text without these characters at its ends.
function pasted.trim(text)
  local first, last = 1, 0
  for position, character in text:gmatch("()(" .. CHARACTER .. ")") do
    if not is_noise(character) then
      if last == 0 then first = position end
      last = position + #character - 1
    end
  end
  return text:sub(first, last)
end

--- The text without any of these characters.
function pasted.squeeze(text)
  return (text:gsub(CHARACTER, function(character) return is_noise(character) and "" or nil end))
end

--- The text without the byte order mark that some editors write at the beginning.
function pasted.without_mark(text)
  return (text:gsub("^\239\187\191", ""))
end

return pasted
