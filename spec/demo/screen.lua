-- How the demo speaks to people: steps, a table of before and after, short facts. Colours on a terminal only.

local shell = require "spec.demo.shell"

local screen = {}

local CODES = { bold = 1, dim = 2, red = 31, green = 32, cyan = 36, yellow = 33 }

local colours = os.getenv "NO_COLOR" == nil and os.getenv "TERM" ~= "dumb" and shell.succeeds "test -t 1"

local function paint(colour, text)
  return colours and ("\27[%dm%s\27[0m"):format(CODES[colour], text) or text
end

local function pad(text, width)
  return text .. (" "):rep(width - #text)
end

function screen.title(text)
  print("\n" .. paint("bold", text) .. "\n")
end

function screen.step(name, text)
  print(("  %s  %s"):format(paint("cyan", pad(name, 10)), text))
end

function screen.note(text)
  print("  " .. paint("dim", text))
end

function screen.warn(text)
  print("  " .. paint("yellow", text))
end

function screen.fail(text)
  io.stderr:write(text, "\n")
end

--- "in 14 min 59 s", "12 s ago"
function screen.remaining(seconds)
  local left = math.floor(math.abs(seconds) + 0.5)
  local days, hours, minutes = left // 86400, left // 3600 % 24, left // 60 % 60
  local text
  if days > 0 then
    text = ("%d d %d h"):format(days, hours)
  elseif hours > 0 then
    text = ("%d h %d min"):format(hours, minutes)
  elseif minutes > 0 then
    text = ("%d min %d s"):format(minutes, left % 60)
  else
    text = ("%d s"):format(left)
  end
  return seconds < 0 and text .. " ago" or "in " .. text
end

local NAME, VALUE = 20, 27

local function row(name, before, after, note)
  print("  " .. paint("cyan", pad(name, NAME)) .. pad(before, VALUE) .. pad(after, note and 12 or 0) .. (note or ""))
end

local function expiry_rows(before, after, now)
  local function moment(expires) return expires and os.date("!%Y-%m-%d %H:%M:%S UTC", math.floor(expires)) or "unknown" end
  local function left(expires) return expires and screen.remaining(expires - now) or "" end
  row("  expires", moment(before), moment(after))
  row("", left(before), left(after))
end

--- The two lists are from payload.describe.
function screen.compare(before, after, now)
  print("\n  " .. (" "):rep(NAME) .. paint("bold", pad("before", VALUE)) .. paint("bold", "after"))
  for i, old in ipairs(before) do
    local new = after[i]
    local note = new.fingerprint == old.fingerprint and paint("dim", "as it was") or paint("green", "new")
    row(old.name, old.fingerprint or "none", new.fingerprint or "none", note)
    if old.expires or new.expires then expiry_rows(old.expires, new.expires, now) end
  end
end

--- A list of { name, value }.
function screen.facts(list)
  print()
  for _, fact in ipairs(list) do print("  " .. paint("cyan", pad(fact[1], NAME)) .. fact[2]) end
  print()
end

return screen
