-- How a flight sends its calls off. What becomes of them is told by the specs of those who make them.

local flight = require "grid.flight"

describe("a flight", function()
  -- An engine, a client and calls that note what happens to them, and never end.
  local function prepare(count)
    local notes = {}
    local function note(what) return function() notes[#notes + 1] = what end end
    local left = count
    local function source()
      if left == 0 then return end
      left = left - 1
      note "made" ()
      return { start = function() note "started" () return {}, left end }
    end
    local client = { host = { now = os.time }, flights = {} }
    return flight.new(client, { cork = note "cork", uncork = note "uncork" }, source, 2), notes
  end

  it("starts calls that have their turn together under one cork, and asks for none meanwhile", function()
    local flying, notes = prepare(3)
    assert.is_number(flying:advance())
    assert.same({ "made", "made", "cork", "started", "started", "uncork" }, notes)
  end)

  it("takes no notice of an engine that went with its client, and loses no call", function()
    local flying, notes = prepare(2)
    local source = flying.source
    flying.source = function()
      flying.client.closed = true
      return source()
    end
    flying:fill()
    assert.same({ "made", "started" }, notes)
    assert.equal(1, flying.active)
  end)

  it("lets the cork be when there is nothing to start", function()
    local flying, notes = prepare(1)
    assert.is_number(flying:advance())
    local before = #notes
    flying:advance()
    assert.equal(before, #notes)
    assert.equal(1, flying.active)
  end)
end)
