-- Measuring in pairs: two or more ways to do the same work, in turn, round after round,
-- so that a machine that changes its speed changes it for all of them.
-- Owns: the rounds, medians, and the printing.
-- Does not know: what is measured.

local measure = {}

function measure.median(values)
  local sorted = { table.unpack(values) }
  table.sort(sorted)
  local middle = #sorted // 2
  return #sorted % 2 == 1 and sorted[middle + 1] or (sorted[middle] + sorted[middle + 1]) / 2
end

--- What a command prints; raises when it fails.
function measure.output(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "a"
  if not pipe:close() then error("this failed: " .. command, 0) end
  return text
end

--- ways: list of functions that give seconds. -> rounds[r][way]
function measure.rounds(count, ways)
  local rounds = {}
  for r = 1, count do
    rounds[r] = {}
    for i, way in ipairs(ways) do rounds[r][i] = way() end
  end
  return rounds
end

--- Of one way in those rounds: { median, min, ratio }, the ratio being the median of the
--- ratios to the first way, round by round.
function measure.summary(rounds, way)
  local times, ratios = {}, {}
  for r, round in ipairs(rounds) do
    times[r] = round[way]
    ratios[r] = round[way] / round[1]
  end
  return { median = measure.median(times), min = math.min(table.unpack(times)), ratio = measure.median(ratios) }
end

-- Characters, not bytes, are what stands in a column.
local function pad(text, width)
  return (" "):rep(width - utf8.len(text)) .. text
end

function measure.row(name, median, best, ratio, target)
  print(("%-34s%s%s%s  %s"):format(name, pad(median, 12), pad(best, 12), pad(ratio or "", 10), target or ""))
end

function measure.title(text, ...)
  print("\n" .. text)
  measure.row(...)
end

return measure
