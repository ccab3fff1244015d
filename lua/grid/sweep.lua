-- Bounds tables of which nothing else removes elements: each time that the number of
-- elements has doubled, the outdated ones are dropped.
-- Owns: the number of elements, and the number at which they are swept.
-- Does not know: the elements, and when one is outdated.

local sweep = {}
local Counter = { __index = sweep }

local FEW = 1000 -- elements, which are not worth a sweep

--- A counter of the elements of one table.
function sweep.new()
  return setmetatable({ count = 0, sweep_at = 0 }, Counter)
end

--- Counts an element added to `items`. If a sweep is due, calls `drop(key, item)` for
--- each element: it removes an outdated one, and returns whether it did.
function sweep:added(items, drop)
  self.count = self.count + 1
  if self.count <= self.sweep_at then return end
  local kept = 0
  for key, item in pairs(items) do
    if not drop(key, item) then kept = kept + 1 end
  end
  self.count, self.sweep_at = kept, math.max(FEW, 2 * kept)
end

--- Counts an element removed outside of a sweep.
function sweep:removed()
  self.count = self.count - 1
end

return sweep
