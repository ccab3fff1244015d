-- Finds out whether a text of a service may contain a secret of the request, without the
-- search of grid.http.redact.
-- Owns: the sizes of what counts as a secret.
-- Does not know: which parts of a request are secrets.

local core = require "grid.core"

local echo = {
  PIECE = 8,             -- bytes of a common substring that is not a coincidence
  SHORTEST = 4,          -- bytes of a secret; one shorter than PIECE is removed only as a whole word
  MOST_SENT = 64 * 1024, -- bytes of a request that are searched
}

--- core.visible writes a blank for a character that breaks a line, and U+FFFD for a byte
--- that is no character. Both could separate the letters of a secret. -> the text with
--- blanks for both, the text without them | nil: the text has none
function echo.without_separators(text)
  if not text:find(" ", 1, true) and not text:find("\239", 1, true) then return nil end
  local spaced = text:gsub("\239\191\189", " ")
  if spaced:find(" ", 1, true) then return spaced, (spaced:gsub(" +", "")) end
end

--- May the text contain a secret? It cannot if the two have no common substring, and the
--- body has no escapes that could hide one.
function echo.is_possible(text, api_key, body, cookie)
  local shortest = #api_key + #body + #cookie > echo.MOST_SENT and echo.PIECE or echo.SHORTEST
  local _, joined = echo.without_separators(text)
  return core.overlaps(text, shortest, api_key, body, cookie)
    or joined ~= nil and core.overlaps(joined, shortest, api_key, body, cookie)
    or body:find("\\u", 1, true) ~= nil
end

return echo
