-- What the library's own stores do beyond the contract of stores: the ids that are due
-- come earliest first, and a record without a time is never due.
-- Does not know: the kind of store.

local assert = require "luassert"

--- The store must be empty, and is empty after that.
return function(store)
  local rev_of = { never = assert(store:put("never", nil, "1")) }
  for id, at in pairs { c = 1000, a = 1002, d = 1001.5, b = 999 } do rev_of[id] = assert(store:put(id, nil, "1", at)) end
  assert.same({ "b", "c", "d", "a" }, store:due(2 ^ 31, 10))
  assert.same({ "b", "c" }, store:due(2 ^ 31, 2))
  rev_of.b = assert(store:put("b", rev_of.b, "1"))
  assert.same({ "c", "d", "a" }, store:due(2 ^ 31, 10))
  for id, rev in pairs(rev_of) do assert.is_true(store:remove(id, rev)) end
end
