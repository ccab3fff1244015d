-- Writes times for people: UTC, and the distance from now.
-- Owns: the wording.
-- Does not know: the event at a time. Times are seconds since 1970.

local times = {}

local LATEST = 253402300799 -- the end of the year 9999
local UNITS = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } }

local function span(seconds)
  for _, unit in ipairs(UNITS) do
    if seconds >= unit[1] then return ("%d %s"):format(math.floor(seconds / unit[1]), unit[2]) end
  end
  return "0 s"
end

--- The time, and its distance from now.
function times.text(seconds)
  if seconds < 0 or seconds > LATEST then return "at a time beyond the year 9999" end
  local left = seconds - os.time()
  return os.date("!%Y-%m-%d %H:%M:%S UTC, ", math.floor(seconds))
    .. (left > 0 and "in " .. span(left) or span(-left) .. " ago")
end

return times
