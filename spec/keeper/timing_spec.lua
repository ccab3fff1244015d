-- When a session is refreshed: grid.keeper.timing and grid.keeper.lifetime. No clock is
-- read.

local core = require "grid.core"
local lifetime = require "grid.keeper.lifetime"
local timing = require "grid.keeper.timing"

local LIVES = { 1, 30, 60, 120, 160, 200, 400, 600, 900, 1200, 3600, 7200, 86400, 30 * 86400 }

local function near(expected, actual)
  assert.is_true(math.abs(expected - actual) < 1e-6, ("%s expected, got %s"):format(expected, actual))
end

describe("the windows before the end of a session", function()
  it("are a quarter and a twentieth of its life, within bounds", function()
    for life, expected in pairs { [400] = { 100, 20 }, [1000] = { 250, 50 }, [3600] = { 900, 60 }, [86400] = { 900, 60 } } do
      local advisory, mandatory = timing.windows(life)
      near(expected[1], advisory)
      near(expected[2], mandatory)
    end
  end)

  it("are together half of its life at most", function()
    for _, life in ipairs(LIVES) do
      local advisory, mandatory = timing.windows(life)
      assert.is_true(advisory > 0 and mandatory > 0 and advisory + mandatory <= life / 2 + 1e-9, life)
    end
    local advisory, mandatory = timing.windows(80)
    near(30, advisory)
    near(10, mandatory)
  end)

  it("begin in turn, whatever the jitter", function()
    for _, life in ipairs(LIVES) do
      for generation = 1, 50 do
        local at = timing.schedule("id", generation, life)
        local advisory, mandatory = timing.windows(life)
        assert.is_true(life - mandatory - advisory <= at.advisory and at.advisory < at.mandatory and at.mandatory < life)
      end
    end
  end)
end)

describe("jitter", function()
  it("is fixed by id and generation", function()
    assert.equal(timing.jitter("a", 1), timing.jitter("a", 1))
    assert.not_equal(timing.jitter("a", 1), timing.jitter("a", 2))
    assert.not_equal(timing.jitter("a", 1), timing.jitter("b", 1))
    assert.not_equal(timing.jitter("1:a", 1), timing.jitter("a", 1))
  end)

  it("leaves no second with more than 2 % of 10,000 sessions of equal expiry", function()
    for _, life in ipairs { 400, 401, 600, 900, 3600, 86400 } do
      local seconds, largest = {}, 0
      for i = 1, 10000 do
        local second = math.floor(timing.schedule("session-" .. i, 7, life).advisory)
        seconds[second] = (seconds[second] or 0) + 1
        largest = math.max(largest, seconds[second])
      end
      assert.is_true(largest <= 200, ("life %d: %d in one second"):format(life, largest))
    end
  end)
end)

describe("the state of a session", function()
  local schedule = { advisory = 700, mandatory = 950, life = 1000 }

  it("changes at the beginning of each window", function()
    for age, state in pairs {
      [0] = "fresh", [699] = "fresh", [700] = "advisory", [949] = "advisory",
      [950] = "mandatory", [999] = "mandatory", [1000] = "expired", [5000] = "expired",
    } do
      assert.equal(state, timing.state(schedule, age), age)
    end
  end)

  it("is mandatory earlier for a caller with min_ttl, which ends at the life of the session", function()
    assert.equal("fresh", timing.state(schedule, 399, 600))
    assert.equal("mandatory", timing.state(schedule, 400, 600))
    assert.equal("mandatory", timing.state(schedule, 0, 5000))
    assert.equal("expired", timing.state(schedule, 1000, 5000))
    assert.equal("mandatory", timing.state(schedule, 960, 1))
  end)
end)

describe("the age of a stamp", function()
  local me = { boot_id = "b", time_namespace = "t" }
  local stamp = timing.stamp(me, { wall = 5000, boot = 100 })

  it("is exact within one boot, whatever the wall clock does", function()
    local seconds, is_exact = timing.since(stamp, { wall = 5000 - 3600, boot = 130 }, me)
    assert.equal(30, seconds)
    assert.is_true(is_exact)
  end)

  it("is told by the wall clocks after a reboot, elsewhere, and where the kernel tells nothing", function()
    for _, other in ipairs { { boot_id = "c", time_namespace = "t" }, { boot_id = "b", time_namespace = "u" }, {} } do
      local seconds, is_exact = timing.since(stamp, { wall = 5020, boot = 130 }, other)
      assert.equal(20, seconds)
      assert.is_false(is_exact)
    end
    for _, unknown in ipairs { { time_namespace = "t" }, { boot_id = "b" } } do
      local early = timing.stamp(unknown, { wall = 5000, boot = 100 })
      assert.is_false(select(2, timing.since(early, { wall = 5020, boot = 130 }, unknown)))
    end
  end)

  it("is never below 0", function()
    assert.equal(0, (timing.since(stamp, { wall = 4000, boot = 1 }, {})))
  end)
end)

describe("backoff", function()
  it("is full jitter over a window that doubles up to a cap", function()
    for failures, window in pairs { [1] = 1, [2] = 2, [5] = 16, [6] = 32, [7] = 60, [9] = 60, [1e6] = 60 } do
      assert.equal(0, timing.backoff(failures, nil, 0))
      near(window / 2, timing.backoff(failures, nil, 0.5))
    end
  end)

  it("comes on top of Retry-After, which is capped", function()
    near(30.5, timing.backoff(1, 30, 0.5))
    near(3600, timing.backoff(1, 1e9, 0))
    near(0, timing.backoff(1, -5, 0))
  end)
end)

describe("the life of a session", function()
  local function jwt(claims)
    return "e30." .. core.base64url_encode(claims) .. ".c2ln"
  end

  it("is expires_in of the answer", function()
    assert.equal(300, lifetime.of({ expires_in = 300 }, 1000, 0, 77))
    assert.equal(0.5, lifetime.of({ expires_in = 0.5 }, 1000, 0, 77))
  end)

  it("is the life before where expires_in is missing, text, 0 or absurd", function()
    for _, value in ipairs { "300", 0, -1, 0 / 0, math.huge, 2 ^ 63, {}, true, lifetime.LONGEST + 1 } do
      assert.equal(77, lifetime.of({ expires_in = value }, 1000, 0, 77), tostring(value))
    end
    assert.equal(77, lifetime.of({ access_token = jwt '{"exp":1500}' }, 1000, 0, 77))
  end)

  it("is that of a JWT where no life is known, on the clock of its issuer", function()
    assert.equal(500, lifetime.of({ access_token = jwt '{"exp":1500}' }, 1000, 0))
    assert.equal(400, lifetime.of({ access_token = jwt '{"exp":1500}' }, 1000, 100))
  end)

  it("is an hour where nothing tells it", function()
    for _, token in ipairs {
      "opaque", "a.b.c", jwt "no json", jwt "[]", jwt "7", jwt '{"exp":"1500"}', jwt '{"exp":900}', jwt '{"exp":1e300}', 5,
    } do
      assert.equal(3600, lifetime.of({ access_token = token }, 1000, 0), tostring(token))
    end
    assert.equal(3600, lifetime.of({}, 1000, 0))
  end)

  it("is told by expires_at where expires_in is missing", function()
    assert.equal(450, lifetime.of({ expires_at = 1500 }, 1000, 50, 77))
    assert.equal(77, lifetime.of({ expires_at = 900 }, 1000, 0, 77))
    assert.equal(77, lifetime.of({ expires_at = "1500" }, 1000, 0, 77))
  end)
end)

describe("the life of a log-in", function()
  it("is that of expires_in, else of expires_at, and ends at expires_at at the latest", function()
    assert.equal(60, lifetime.of_login({ expires_in = 60 }, 1000))
    assert.equal(7200, lifetime.of_login({ expires_at = 8200 }, 1000))
    assert.equal(500, lifetime.of_login({ expires_in = 3600, expires_at = 1500 }, 1000))
    assert.equal(0, lifetime.of_login({ expires_in = 3600, expires_at = 900 }, 1000))
    assert.equal(3600, lifetime.of_login({ expires_in = "60", expires_at = {} }, 1000))
  end)
end)

describe("the skew of a server", function()
  it("is estimated from Date", function()
    near(3600, lifetime.skew("Thu, 01 Jan 1970 02:00:00 GMT", 3600, 3601))
    near(-3600, lifetime.skew("Thu, 01 Jan 1970 02:00:00 GMT", 10800, 10801))
  end)

  it("is nothing where the time on the way or the missing fraction explains it", function()
    for _, times in ipairs { { 7200, 7200.2 }, { 7200.9, 7201 }, { 7195, 7200.5 }, { 7190, 7210 } } do
      assert.equal(0, lifetime.skew("Thu, 01 Jan 1970 02:00:00 GMT", times[1], times[2]))
    end
  end)

  it("is nothing where there is no date", function()
    for _, date in ipairs { "", "tomorrow", "Thu, 01 Foo 1970 02:00:00 GMT", "7", "02:00:00" } do
      assert.equal(0, lifetime.skew(date, 0, 1))
    end
    assert.equal(0, lifetime.skew(nil, 0, 1))
  end)

  it("reads the two obsolete forms of a date, too", function()
    for _, date in ipairs { "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994" } do
      near(3600, lifetime.skew(date, 784111777 - 3600, 784111777 - 3599))
    end
  end)

  it("reads each date of the calendar", function()
    for seconds = 0, 4e9, 86400 * 13 + 3671 do
      assert.equal(seconds, core.http_date(os.date("!%a, %d %b %Y %H:%M:%S GMT", seconds)))
    end
  end)
end)
