-- P-256 key pairs. Owns: where a private key goes, which is nowhere or one file of mode 0600.

local grid = require "grid"
local session_file = require "spec.demo.session_file"
local shell = require "spec.demo.shell"

local keys = {}

--- A pair that goes when the demo ends.
function keys.passing()
  return assert(grid.keypair())
end

local function make(path)
  local pair = keys.passing()
  local place, message = session_file.prepare(path)
  if not place then return nil, message end
  local saved
  saved, message = place:commit(pair:export())
  if not saved then return nil, message end
  return pair
end

--- The pair of the private key in a file, PEM or base64, which is made if there is none. -> pair, made | nil, message
function keys.kept(path)
  local made = not shell.succeeds("test -e " .. shell.quote(path))
  local text, pair, message
  if made then
    pair, message = make(path)
  else
    text, message = session_file.read(path)
    if text then pair, message = grid.keypair(text) end
  end
  if not pair then return nil, ("%s: %s"):format(path, tostring(message)) end
  return pair, made
end

return keys
